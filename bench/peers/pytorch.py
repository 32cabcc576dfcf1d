# Training steps in PyTorch, as a peer: the same layers, batch size and Adam.
#
# In: a line of JSON {"layers": [...], "batch": n, "threads": n} creates the network, {"steps": n} trains it.
# Out: one JSON line for each.
import json
import sys
import time

import torch
from torch import nn


class Residual(nn.Module):
    def __init__(self, body, skip):
        super().__init__()
        self.body, self.skip = body, skip

    def forward(self, x):
        return self.body(x) + self.skip(x)


def network(layers, channels):
    """Modules for a list of layers in our format, and the number of output channels."""
    modules = []
    for layer in layers:
        kind = layer["type"]
        if kind == "conv":
            stride, padding = layer["stride"], layer["padding"]
            modules.append(
                nn.Conv2d(channels, layer["out"], layer["kernel"], stride, padding, bias=layer["bias"])
            )
            channels = layer["out"]
        elif kind == "batchNorm":
            modules.append(nn.BatchNorm2d(channels))
        elif kind == "relu":
            modules.append(nn.ReLU())
        elif kind == "maxPool":
            modules.append(nn.MaxPool2d(layer["kernel"], padding=layer["padding"]))
        elif kind == "avgPool":
            modules.append(nn.AvgPool2d(layer["kernel"]))
        elif kind in ("globalAvgPool", "globalMaxPool"):
            pool = nn.AdaptiveAvgPool2d if kind == "globalAvgPool" else nn.AdaptiveMaxPool2d
            modules += [pool(1), nn.Flatten()]
        elif kind == "dropout":
            modules.append(nn.Dropout(layer["rate"]))
        elif kind == "linear":
            modules.append(nn.Linear(channels, layer["out"]))
            channels = layer["out"]
        elif kind == "residual":
            body, out = network(layer["body"], channels)
            skip, _ = network(layer["skip"], channels)
            modules.append(Residual(body, skip))
            channels = out
        else:
            sys.exit(f"layer {kind} is not supported here")
    return nn.Sequential(*modules), channels


def answer(**values):
    print(json.dumps(values), flush=True)


def main():
    answer(ready=torch.__version__)
    loss = nn.CrossEntropyLoss()
    for line in sys.stdin:
        question = json.loads(line)
        if "layers" in question:
            torch.set_num_threads(question["threads"])
            net, classes = network(question["layers"], 1)
            adam = torch.optim.Adam(net.parameters(), lr=0.001)
            x = torch.rand(question["batch"], 1, 48, 48) * 2 - 1
            y = torch.randint(0, classes, (question["batch"],))
            answer(parameters=sum(p.numel() for p in net.parameters()))
            continue
        begin, cpu = time.perf_counter(), time.process_time()
        for _ in range(question["steps"]):
            adam.zero_grad()
            loss(net(x), y).backward()
            adam.step()
        answer(seconds=time.perf_counter() - begin, cpuSeconds=time.process_time() - cpu)


main()
