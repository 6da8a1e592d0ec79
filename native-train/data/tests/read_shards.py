"""Counts the samples of shards with the `webdataset` package, or by its rule with the standard library.

Prints the number of samples and how they were read. A sample without a picture of the size that its
record says, or with other members, is an error.
"""

import json
import struct
import sys
import tarfile


def by_rule(paths):
    """WebDataset's rule: members that follow each other and have the same name up to the first dot."""
    for path in paths:
        sample = {}
        with tarfile.open(path) as archive:
            for member in archive:
                key, ending = member.name.split(".", 1)
                if sample and sample["__key__"] != key:
                    yield sample
                    sample = {}
                sample["__key__"] = key
                sample[ending] = archive.extractfile(member).read()
        if sample:
            yield sample


def size(ending, data):
    if ending == "png":
        return struct.unpack(">II", data[16:24])
    at = 2
    while at < len(data):
        marker, length = struct.unpack(">xBH", data[at : at + 4])
        if 0xC0 <= marker <= 0xC2:
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        at += 2 + length
    raise ValueError("no size in the JPEG")


paths = sys.argv[1:]
try:
    import webdataset

    samples, how = webdataset.WebDataset(paths, shardshuffle=False), "webdataset"
except ImportError:
    samples, how = by_rule(paths), "tarfile"

count = 0
for sample in samples:
    record = json.loads(sample["json"])
    (ending,) = [name for name in sample if name != "json" and not name.startswith("__")]
    image = record["image"]
    assert image["path"] == sample["__key__"] + "." + ending, image
    assert size(ending, sample[ending]) == (image["width"], image["height"]), image
    assert record["turns"], sample["__key__"]
    count += 1
print(count, "samples read by", how)
