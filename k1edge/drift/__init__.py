"""How far the light is from the music. Pure.

Read in this order:

    meter       what drift is: beats, onsets and flashes in, a reading per beat out
    spread      median, p95, worst and count, of the last 10 s and since the start
    severity    how bad it is, without flapping
    cause       what it is put down to
    attribution whose clock it was that jumped or changed its rate
    alerts      what is wrong and what was, with begin and end
    watch       all of that together: what the daemon asks

    score       against songs whose beats are known
"""
