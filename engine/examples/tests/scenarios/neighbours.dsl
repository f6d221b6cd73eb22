Feature: Rows before and behind

  Background:
    @source(name=readings, type=file, path="readings.jsonl", contract=Sample@1, lateness=10s)

  Scenario: Changes between readings
    @step(name=Before)
      @do   lag before = value, twice = value * 2 per sensor keep for ever
      @do   select sensor, value, before, twice
    @step(name=Behind, from=readings)
      @do   lead next = value by 2 per sensor order by at, value in tumbling(1m)
      @do   select sensor, value, next
    @sink(name=s1, type=blackhole, from=Before)
    @sink(name=s2, type=blackhole, from=Behind)
    @sink(name=dead, type=blackhole, from=rejected)

    Examples: rows are settled by the watermark, in order of time
      Given readings
        | sensor | value | at                   |
        | a      | 2     | 2026-01-01T00:00:20Z |
        | b      | 9     | 2026-01-01T00:00:21Z |
        | a      | 1     | 2026-01-01T00:00:15Z |
        | a      | 3     | 2026-01-01T00:00:30Z |
      Then Before is
        | sensor | value | before | twice |
        | a      | 1     |        |       |
      Given readings
        | sensor | value | at                   |
        | a      | 4     | 2026-01-01T00:00:25Z |
        | b      | 8     | 2026-01-01T00:00:59Z |
        | a      | 5     | 2026-01-01T00:01:00Z |
      Then Before is
        | sensor | value | before | twice |
        | a      | 1     |        |       |
        | a      | 2     | 1      | 2     |
        | a      | 4     | 2      | 4     |
        | a      | 3     | 4      | 8     |
        | b      | 9     |        |       |
      And Behind is
        | sensor | value | next |
        | a      | 1     | 4    |
        | a      | 2     | 3    |
      Given readings
        | sensor | value | at                   |
        | a      | 7     | 2026-01-01T00:00:01Z |
      When the input ends
      Then Before is
        | sensor | value | before | twice |
        | a      | 1     |        |       |
        | a      | 2     | 1      | 2     |
        | a      | 4     | 2      | 4     |
        | a      | 3     | 4      | 8     |
        | a      | 5     | 3      | 6     |
        | b      | 9     |        |       |
        | b      | 8     | 9      | 18    |
      And Behind is
        | sensor | value | next |
        | a      | 1     | 4    |
        | a      | 2     | 3    |
        | a      | 4     |      |
        | a      | 3     |      |
        | a      | 5     |      |
        | b      | 9     |      |
        | b      | 8     |      |
      And rejected contains
        | reason | step   |
        | late   | Before |
        | late   | Behind |

Contract: Sample version 1
  | field  | type          | rules                |
  | sensor | string        |                      |
  | value  | int           |                      |
  | at     | timestamp(ms) | required, event time |
