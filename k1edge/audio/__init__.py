"""From sound to samples with a time.

Read `source` first (what a source is). Live: `live` watches over a device, `capture` is the callback, `stitch` makes a stream of what
it hands over, with `sampleclock` for the time, `resample` for the rate, `ring` and `devices` below. Files: `replay`. Songs: `synth`.
"""
