Feature: Idle sources

  Background:
    @source(name=readings, type=file, path="readings.jsonl", contract=Reading@1, idle=10s)

  Scenario: A silent source
    @step(name=PerMinute)
      @do   aggregate n = count(*)
              by sensor
              in tumbling(1m)
    @sink(type=blackhole)

    Examples: the clock carries the watermark of an idle source on
      Given readings
        | sensor | at                   |
        | a      | 2026-01-01T00:00:30Z |
      When time passes 1h
      Then the watermark of PerMinute is 2026-01-01T00:00:30Z
      And PerMinute is empty
      When readings is idle
      Then the watermark of PerMinute is 2026-01-01T00:00:30Z
      When time passes 29s
      Then PerMinute is empty
      When time passes 1s
      Then the watermark of PerMinute is 2026-01-01T00:01:00Z
      And PerMinute is
        | sensor | n |
        | a      | 1 |

    Examples: rows end the idleness
      Given readings
        | sensor | at                   |
        | a      | 2026-01-01T00:00:30Z |
      When readings is idle for 20s
      Then the watermark of PerMinute is 2026-01-01T00:00:40Z
      Given readings
        | sensor | at                   |
        | a      | 2026-01-01T00:00:45Z |
      When time passes 1h
      Then the watermark of PerMinute is 2026-01-01T00:00:45Z
      When readings is idle for 25s
      Then PerMinute is
        | sensor | n |
        | a      | 2 |

  Scenario: Two sources
    @source(name=others, type=file, path="others.jsonl", contract=Reading@1, idle=1s)
    @step(name=Both, from=readings)
      @do   union others
    @step(name=PerMinute)
      @do   aggregate n = count(*)
              by sensor
              in tumbling(1m)
    @sink(type=blackhole)

    Examples: the slower source holds the watermark
      Given readings
        | sensor | at                   |
        | a      | 2026-01-01T00:00:30Z |
        | a      | 2026-01-01T00:05:00Z |
      Then PerMinute is empty
      Given others
        | sensor | at                   |
        | a      | 2026-01-01T00:00:40Z |
      Then the watermark of Both is 2026-01-01T00:00:40Z
      And the watermark of readings is 2026-01-01T00:05:00Z
      And PerMinute is empty
      When the watermark of others reaches 2026-01-01T00:01:00Z
      Then PerMinute is
        | sensor | n |
        | a      | 2 |

    Examples: an idle one is carried on by the clock
      Given readings
        | sensor | at                   |
        | a      | 2026-01-01T00:00:30Z |
        | a      | 2026-01-01T00:05:00Z |
      And others
        | sensor | at                   |
        | b      | 2026-01-01T00:00:40Z |
      When others is idle for 21s
      Then PerMinute is
        | sensor | n |
        | a      | 1 |
        | b      | 1 |
