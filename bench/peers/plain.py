"""The same job as a plain Python script: OpenCV's Haar cascade and OpenCV's dnn (or onnxruntime if installed) on the
same weights, one line of JSON per frame. `npm run bench` times it; it is not part of the product.

usage: plain.py VIDEO CASCADE.xml MODEL.onnx OUT.jsonl
"""

import json
import sys

import cv2
import numpy as np

try:
    import onnxruntime
except ImportError:
    onnxruntime = None

LABELS = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]


def open_model(path):
    """A function from crops [n, 1, 48, 48] to probabilities [n, 7]."""
    if onnxruntime:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        return lambda crops: session.run(["probabilities"], {"input": crops})[0]
    net = cv2.dnn.readNetFromONNX(path)

    def run(crops):
        net.setInput(crops, "input")
        return net.forward("probabilities")

    return run


def main(video, cascade_path, model_path, out_path):
    capture = cv2.VideoCapture(video)
    if not capture.isOpened():
        sys.exit(f"{video} cannot be opened")
    cascade = cv2.CascadeClassifier(cascade_path)
    classify = open_model(model_path)
    frames = found = 0
    with open(out_path, "w") as out:
        while True:
            ok, picture = capture.read()
            if not ok:
                break
            grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
            least = round(min(grey.shape) * 0.08)
            boxes = cascade.detectMultiScale(grey, 1.1, 5, minSize=(least, least))
            faces = []
            if len(boxes) > 0:
                crops = [
                    cv2.resize(grey[y : y + h, x : x + w], (48, 48), interpolation=cv2.INTER_AREA)
                    for x, y, w, h in boxes
                ]
                batch = np.stack(crops)[:, None].astype(np.float32) / 127.5 - 1
                for box, values in zip(boxes, classify(batch)):
                    best = int(values.argmax())
                    faces.append(
                        {
                            "box": [int(v) for v in box],
                            "label": LABELS[best],
                            "confidence": round(float(values[best]), 4),
                        }
                    )
            out.write(json.dumps({"frame": frames, "faces": faces}) + "\n")
            frames += 1
            found += len(faces)
    engine = "onnxruntime" if onnxruntime else "cv2.dnn"
    print(json.dumps({"frames": frames, "faces": found, "opencv": cv2.__version__, "engine": engine}))


main(*sys.argv[1:])
