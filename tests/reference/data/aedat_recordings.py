"""Recordings of 300 events, written by others' code (dv-processing 2.0.4) and, in the older versions, by the format's pages;
what they hold is events.npz, as tonic 1.7.0 reads the older ones, and aedat 2.3.0 the others. Run with these installed."""
import importlib.util
import struct

import aedat
import dv_processing as dv
import numpy as np

# Its readers alone; the package needs many others.
place = importlib.util.find_spec("tonic").submodule_search_locations[0] + "/io.py"
spec = importlib.util.spec_from_file_location("tonic_io", place)
tonic_io = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tonic_io)

rng = np.random.default_rng(2017)
n = 300
t = np.sort(rng.integers(0, 20_000, n)) + 1_000_000
x, y, p = rng.integers(0, 346, n), rng.integers(0, 260, n), rng.integers(0, 2, n)
small = {"t_us": t, "x": x % 128, "y": y % 128, "p": p}
large = {"t_us": t, "x": x, "y": y, "p": p}


# aedat 4.0: two packets of events and one of triggers, closed and in each compression.
for name, kind in [("none", "NONE"), ("lz4", "LZ4"), ("zstd", "ZSTD")]:
    config = dv.io.MonoCameraWriter.EventOnlyConfig("DAVIS346", (346, 260), getattr(dv.CompressionType, kind))
    config.addTriggerStream()
    writer = dv.io.MonoCameraWriter(f"davis346_{name}.aedat4", config)
    for part in (slice(0, 180), slice(180, n)):
        store = dv.EventStore()
        for event in zip(t[part], x[part], y[part], p[part]):
            store.push_back(*map(int, event[:3]), bool(event[3]))
        writer.writeEvents(store)
        writer.writeTrigger(dv.Trigger(int(t[part][-1]), dv.TriggerType.EXTERNAL_SIGNAL_RISING_EDGE))
    del writer
    read = np.concatenate([packet["events"] for packet in aedat.Decoder(f"davis346_{name}.aedat4") if "events" in packet])
    for key, column in zip(("t", "x", "y", "on"), (t, x, y, p)):
        assert (read[key].astype(int) == column).all(), key

# aedat 2.0: address and time, each 32 bits, the largest first; among them what is no event of light.
def version_2(name, lines, address, other):
    with open(name, "wb") as file:
        file.write(b"#!AER-DAT2.0\r\n" + "".join(f"# {line}\r\n" for line in lines).encode())
        for at in range(n):
            if at % 50 == 10:
                file.write(struct.pack(">II", other, t[at]))
            file.write(struct.pack(">II", int(address[at]), t[at]))


lines = ["This is a raw AE data file - do not edit", "Timestamps tick is 1 us"]
version_2("dvs128.aedat", lines, small["y"] << 8 | small["x"] << 1 | p, 1 << 15)
chip = ["AEChip: eu.seebetter.ini.chips.davis.Davis346B", "End Of ASCII Header"]
version_2("davis346.aedat", lines + chip, y << 22 | x << 12 | p << 11, 1 << 31 | 5 << 22)
# tonic counts a DAVIS' rows and columns from the far corner and a DVS128's columns as rows, and does not leave out other events.
light = ~np.isin(np.arange(n + 6), [at + at // 50 for at in range(10, n, 50)])


def agrees(read, t, x, y):
    assert all((read[key] == column).all() for key, column in (("t", t), ("x", x), ("y", y), ("p", p)))


agrees(tonic_io.read_davis_346("davis346.aedat")[2][light], t, 345 - x, 259 - y)
header = tonic_io.read_aedat_header_from_file
tonic_io.read_aedat_header_from_file = lambda name: header(name)[:2]  # the others expect two values of it
agrees(tonic_io.read_dvs_128("dvs128.aedat")[1][light], t, small["y"], small["x"])

# aedat 3.1: packets with heads of 28 bytes; one of special events between two of light, of which one event is not valid.
with open("davis346_3.aedat", "wb") as file:
    file.write(b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DAVIS346\r\n#Start-Time: 2017-01-01 00:00:00 (TZ+0000)\r\n#!END-HEADER\r\n")
    for part in (slice(0, 180), slice(180, n)):
        words = [(int(a) << 17 | int(b) << 2 | int(c) << 1 | 1, int(when)) for a, b, c, when in zip(x[part], y[part], p[part], t[part])]
        words.insert(7, (words[7][0] & ~1, words[7][1]))
        file.write(struct.pack("<hhiiiiii", 1, 1, 8, 4, 0, len(words), len(words), len(words) - 1))
        file.writelines(struct.pack("<II", *word) for word in words)
        if part.start == 0:
            file.write(struct.pack("<hhiiiiii", 0, 1, 8, 4, 0, 1, 1, 1) + struct.pack("<II", 3, 1))
read = tonic_io.read_dvs_red("davis346_3.aedat")[1]
agrees(np.delete(read, [7, 181, 189]), t, x, y)
np.savez_compressed("events.npz", **{f"{name}_{key}": value.astype(np.uint8 if key == "p" else np.int32)
                                     for name, events in (("dvs128", small), ("davis346", large)) for key, value in events.items()})
