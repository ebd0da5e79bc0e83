"""How far the light is from the music: `meter` says it live, `score` against songs whose beats are known. Pure."""
