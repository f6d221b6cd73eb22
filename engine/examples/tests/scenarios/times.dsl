Feature: Dates and times

  Scenario: Parts of a moment
    @source(name=readings, type=file, path="readings.jsonl", contract=Reading@1)
    @step(name=Parts)
      @do   select sensor, date_trunc('hour', at) as hour, cast(at as date) as day, extract(hour from at) as h, at + interval '1 day' as tomorrow
    @sink(type=blackhole)

    Examples: times are compared as moments
      Given readings
        | sensor | at                        |
        | a      | 2026-01-01T23:59:59.5Z    |
        | b      | 2026-01-02 00:30:00       |
        | c      | 2026-01-02T01:30:00+01:00 |
      Then Parts is
        | sensor | hour                      | day        | h  | tomorrow               |
        | a      | 2026-01-01T23:00:00Z      | 2026-01-01 | 23 | 2026-01-02T23:59:59.5Z |
        | b      | 2026-01-02T01:00:00+01:00 | 2026-01-02 | 0  | 2026-01-03 00:30:00    |
        | c      | 2026-01-02 00:00:00       | 2026-01-02 | 0  | 2026-01-03T00:30:00Z   |
