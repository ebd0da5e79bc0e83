"""From sound to samples with a time: `source` (what a source is), then `capture`, `replay`, `synth`."""
