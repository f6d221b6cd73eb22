Feature: Crashes
  What a scenario knows outlives its workers: it goes on from a checkpoint, on another number of them, as if nothing had been.

  Background:
    @source(name=readings, type=file, path="readings.jsonl", contract=Crashed@1, lateness=10s)

  Scenario: A window that a crash falls into
    @step(name=PerMinute)
      @do aggregate n = count(*), total = sum(value), least = min(value), mean = avg(value), differ = count(distinct value)
            by sensor
            in tumbling(1m)
    @sink(type=blackhole)

    Examples: rows of before and after count together
      Given readings
        | sensor | value | at                   |
        | a      | 1     | 2026-01-01T00:00:10Z |
        | b      | 5     | 2026-01-01T00:00:20Z |
      When the worker crashes
      And the worker crashes
      Given readings
        | sensor | value | at                   |
        | a      | 3     | 2026-01-01T00:00:30Z |
        | a      | 3     | 2026-01-01T00:00:40Z |
      When the worker crashes
      Then PerMinute is empty
      When the watermark of readings reaches 2026-01-01T00:01:00Z
      Then PerMinute is
        | sensor | n | total | least | differ |
        | a      | 3 | 7     | 1     | 2      |
        | b      | 1 | 5     | 5     | 1      |
      When the worker crashes
      And the input ends
      Then PerMinute contains
        | sensor | n |
        | a      | 3 |

    Examples: where the watermark stands is known afterwards
      Given readings
        | sensor | value | at                   |
        | a      | 1     | 2026-01-01T00:02:10Z |
      When the worker crashes
      Given readings
        | sensor | value | at                   |
        | a      | 2     | 2026-01-01T00:00:30Z |
        | a      | 4     | 2026-01-01T00:02:05Z |
      Then the watermark of PerMinute is 2026-01-01T00:02:00Z
      And rejected is
        | reason | step      | position |
        | late   | PerMinute | 2        |
      When the input ends
      Then PerMinute is
        | sensor | n | total |
        | a      | 2 | 5     |

    Examples: a crash before anything
      When the worker crashes
      Given 3 workers
      And readings
        | sensor | value | at                   |
        | a      | 1     | 2026-01-01T00:00:10Z |
      When the input ends
      Then PerMinute is
        | sensor | n |
        | a      | 1 |

    Examples: an idle source stays idle
      Given readings
        | sensor | value | at                   |
        | a      | 1     | 2026-01-01T00:00:40Z |
      When readings is idle
      And the worker crashes
      And time passes 30s
      Then the watermark of PerMinute is 2026-01-01T00:01:00Z
      And PerMinute is
        | sensor | n |
        | a      | 1 |

  Scenario: Sessions and changelogs
    @step(name=Sessions, from=readings)
      @do aggregate n = count(*)
            by sensor
            in session(30s)
    @step(name=Totals, from=readings)
      @do aggregate total = sum(value), most = max(value)
            by sensor
            emit on change
            keep for ever
    @sink(type=blackhole, from=Sessions)
    @sink(name=Other, type=blackhole, from=Totals)

    Examples: a session goes on, a total is corrected
      Given readings
        | sensor | value | at                   |
        | a      | 1     | 2026-01-01T00:00:10Z |
        | b      | 2     | 2026-01-01T00:00:20Z |
      Then Totals is
        | sensor | total | most |
        | a      | 1     | 1    |
        | b      | 2     | 2    |
      When the worker crashes
      Given readings
        | sensor | value | at                   |
        | a      | 5     | 2026-01-01T00:00:35Z |
      Then Totals is
        | sensor | total | most |
        | a      | 6     | 5    |
        | b      | 2     | 2    |
      When the worker crashes
      And the input ends
      Then Sessions is
        | sensor | n |
        | a      | 2 |
        | b      | 1 |

  Scenario: Joins
    @source(name=names, type=file, path="names.csv", contract=Name@1, key=sensor)
    @source(name=alarms, type=file, path="alarms.jsonl", contract=Alarm@1, lateness=10s)
    @step(name=Named, from=readings)
      @do left join names on names.sensor = readings.sensor
    @step(name=Alarmed, from=readings)
      @do join alarms on alarms.sensor = readings.sensor within 1m
    @sink(type=blackhole, from=Named)
    @sink(name=Other, type=blackhole, from=Alarmed)

    Examples: what was read of both sides is not forgotten
      Given names
        | sensor | name |
        | a      | Anna |
      And readings
        | sensor | value | at                   |
        | a      | 1     | 2026-01-01T00:00:10Z |
      When the worker crashes
      Given alarms
        | sensor | level | at                   |
        | a      | high  | 2026-01-01T00:00:40Z |
      And readings
        | sensor | value | at                   |
        | a      | 2     | 2026-01-01T00:00:50Z |
        | b      | 3     | 2026-01-01T00:00:55Z |
      Then Named is
        | sensor | value | name |
        | a      | 1     | Anna |
        | a      | 2     | Anna |
        | b      | 3     |      |
      And Alarmed is
        | sensor | value | level |
        | a      | 1     | high  |
        | a      | 2     | high  |

Contract: Name version 1
  | field  | type   | rules    |
  | sensor | string | required |
  | name   | string |          |

Contract: Alarm version 1
  | field  | type          | rules                |
  | sensor | string        | required             |
  | level  | string        |                      |
  | at     | timestamp(ms) | required, event time |

Contract: Crashed version 1
  | field  | type          | rules                |
  | sensor | string        | required             |
  | value  | int           |                      |
  | at     | timestamp(ms) | required, event time |
