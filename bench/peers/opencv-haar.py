# OpenCV's Haar cascade on one thread, as a peer: reads pictures and answers each with its CPU time and the boxes.
#
# In, repeatedly: a line "WIDTH HEIGHT" and WIDTH * HEIGHT grey bytes. Out: one JSON line for each.
# Arguments: cascade file, scale factor, neighbours, smallest face size.
import json
import sys
import time

import cv2
import numpy

cv2.setNumThreads(1)
path, scale, neighbours, smallest = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
cascade = cv2.CascadeClassifier(path)
print(json.dumps({"version": cv2.__version__}), flush=True)
while line := sys.stdin.buffer.readline():
    width, height = map(int, line.split())
    picture = numpy.frombuffer(sys.stdin.buffer.read(width * height), numpy.uint8).reshape(height, width)
    begin = time.process_time()
    boxes = cascade.detectMultiScale(picture, scale, neighbours, 0, (smallest, smallest))
    ms = (time.process_time() - begin) * 1000
    print(json.dumps({"ms": ms, "boxes": [list(map(int, box)) for box in boxes]}), flush=True)
