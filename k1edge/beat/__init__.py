"""Where music is understood. Pure: `pipeline.Pipeline.push(block)` is the one entrance; read it first."""
