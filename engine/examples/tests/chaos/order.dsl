Feature: Order
  Scenarios whose results depend, against all advice, on the order in which rows come.

  Background:
    @source(name=readings, type=file, path="readings.jsonl", contract=Reading@1, lateness=30s)

  Scenario: The first to come
    @step(name=First)
      @do aggregate first = first_value(value)
            by sensor
            in tumbling(1m)
    @sink(type=stdout)

    Examples: the first row is the oldest one
      Given readings
        | sensor | value | at                   |
        | b      | 7     | 2026-01-01T00:00:05Z |
        | a      | 1     | 2026-01-01T00:00:10Z |
        | b      | 8     | 2026-01-01T00:00:15Z |
      And readings
        | sensor | value | at                   |
        | a      | 2     | 2026-01-01T00:00:20Z |
        | b      | 9     | 2026-01-01T00:00:40Z |
      When the watermark of readings reaches 2026-01-01T00:02:00Z
      Then First is
        | sensor | first |
        | a      | 1     |
        | b      | 7     |

  Scenario: Counts that are forgotten
    @step(name=Counted)
      @do aggregate n = count(*)
            by sensor
            keep state for 1m
    @sink(type=stdout)

    Examples: a pause that is longer than the state is kept
      Given readings
        | sensor | value | at                   |
        | a      | 1     | 2026-01-01T00:00:10Z |
        | b      | 7     | 2026-01-01T00:01:20Z |
        | b      | 8     | 2026-01-01T00:01:50Z |
        | a      | 2     | 2026-01-01T00:01:55Z |
        | b      | 9     | 2026-01-01T00:02:00Z |
      Then Counted is
        | sensor | n |
        | a      | 2 |
        | b      | 3 |

Contract: Reading version 1
  | field  | type          | rules                |
  | sensor | string        | required             |
  | value  | int           |                      |
  | at     | timestamp(ms) | required, event time |
