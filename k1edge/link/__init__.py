"""The wire to the node. Sans-IO but for `port`, `conversation`, `probe`, `device` (pyserial) and the virtual node.

Read in this order:

    dialect         the one interface: bytes and time in, bytes and events out
    session         one conversation: ask who it is, then speak its dialect
    identify        the one ASCII question, and which answers are believed
    lines           text lines out of bytes that may be anything, and what is kept of them for people

    k1link/         the timed dialect, host side
      framing         frames: COBS, checksum, the decoder that never raises
      messages        the table of message types, and how each is parsed
      messages_setup  HELLO, HELLO_ACK, CONFIG, BLACKOUT, GET_STATS, ACK
      messages_flow   BEATS, PING, PONG, FIRED, STATS, LOG
      session         handshake, clock, beats, reports; its table of states
      peer            the node as the host knows it: what each message brings about
      channel         messages in frames, numbered, under the session of the moment
      delivery        stop and wait for requests, the pace of pings
      beats           the ledger of beats: what to tell now, how each one ended
      clockwatch      pings out, answers in, the newest map, resets and steps
      clocksync       host to node clock: an estimate and its hard bound
      envelope        the polygon of all clocks that no measurement contradicts
      likely          the line to expect among them

    trinity         the untimed dialect: when to say what to LightwaveOS
    trinity_health  how well it is heard
    lightwave       its lines, as pure functions

    port            one thread that finds, opens, talks, and begins again
    trial           test flashes at chosen times
    journal         what happened on it, in words and in order
    port_status     what a port is told and what it tells
    conversation    a session on a wire, step by step
    device          serial devices: listed, opened without a reset, written to without blocking
    probe           who is on a port, found out without leaving a trace
    eavesdrop       what a node says to whoever only listens
    holders         which programs hold a device open
    address         which device is the node's
    backoff         pauses between tries

    node/           the node's side of k1link, pure
      core            one node from its start to its next reset
      console         its two ASCII lines
      flash_queue     what it has still to flash
      reports         what it tells of itself and of each beat

    virtual_node    a node behind a pty, with a clock of its own: `k1edge node simulate`
    virtual/        what it is made of
      brain           what it thinks, in either dialect
      lightwave_console  a little LightwaveOS: its commands
      lightwave_clock  its beat clock
      lightwave_loop  its main loop, and what goes wrong there
      wire            a pty that can be unplugged, and the delay of a cable
"""
