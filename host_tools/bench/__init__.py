"""What `make bench` measures: ratios within one run against a floor, and counts; never an absolute
time.
"""
