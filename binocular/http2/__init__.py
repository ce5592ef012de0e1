"""HTTP/2 as gRPC needs it, for the two ends of a prediction: frames, headers, and what one side may send.

gRPC's own library for Python costs a millisecond of processor time and more a request, on both ends, where the
model takes four: its threads hand every request from one to the next. What is here has as few of them as it can.
"""
