Feature: Scenarios that read each other

  Background:
    @source(name=readings, type=file, path="readings.jsonl", contract=Measured@1)

  Scenario: What is hot
    @step(name=Valid)
      @when value is not null
    @step(name=Hot)
      @do split hot when value > 30, cold otherwise
    @step(name=PerMinute, from=Hot.hot)
      @do aggregate n = count(*), most = max(value)
            by sensor
            in tumbling(1m)
    @sink(type=blackhole)

    Examples: it is counted
      Given readings
        | sensor | value | at                   |
        | a      | 40    | 2026-01-01T00:00:10Z |
      When the input ends
      Then PerMinute is
        | sensor | n |
        | a      | 1 |

  Scenario: Alarms
    @source(name=limits, type=file, path="limits.csv", contract=Limit@1, key=sensor)
    @step(name=Above, from="What is hot.PerMinute")
      @do join limits on limits.sensor = PerMinute.sensor
      @do keep most > limits.least
    @step(name=Cold, from="What is hot.Hot.cold")
      @do set note = 'cold'
    @sink(type=blackhole, from=Above)
    @sink(name=Rest, type=blackhole, from=Cold)

    Examples: steps of both scenarios can be looked at
      Given limits
        | sensor | least |
        | a      | 35    |
        | b      | 35    |
      And readings
        | sensor | value | at                   |
        | a      | 40    | 2026-01-01T00:00:10Z |
        | a      | 31    | 2026-01-01T00:00:20Z |
        | b      | 33    | 2026-01-01T00:00:30Z |
        | b      | 3     | 2026-01-01T00:00:40Z |
        | b      |       | 2026-01-01T00:00:50Z |
      When the worker crashes
      And the input ends
      Then PerMinute is
        | sensor | n | most |
        | a      | 2 | 40   |
        | b      | 1 | 33   |
      And Above is
        | sensor | n | most | least |
        | a      | 2 | 40   | 35    |
      And Cold is
        | sensor | value | note |
        | b      | 3     | cold |

  Scenario: Only a sink
    @sink(type=blackhole, from="Alarms.Above")

    Examples: all that it reads comes with it
      Given limits
        | sensor | least |
        | a      | 35    |
      And readings
        | sensor | value | at                   |
        | a      | 40    | 2026-01-01T00:00:10Z |
      When the input ends
      Then Above is
        | sensor | n | most | least |
        | a      | 1 | 40   | 35    |

Contract: Limit version 1
  | field  | type   | rules    |
  | sensor | string | required |
  | least  | int    | required |

Contract: Measured version 1
  | field  | type          | rules                |
  | sensor | string        | required             |
  | value  | int           |                      |
  | at     | timestamp(ms) | required, event time |
