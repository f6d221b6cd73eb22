Feature: Several groupings at once

  Background:
    @source(name=sales, type=file, path="sales.jsonl", contract=Sale@1)

  Scenario: Sales by country, by kind, and in all
    @step(name=Totals)
      @do   aggregate n = count(*), total = sum(price), kinds = count(distinct kind)
              by grouping sets ((country, kind), (country), ())
              in tumbling(1m)
              having total > 1
    @sink(type=blackhole)

    Examples: a key that a set does not have is null, and a null is told from it
      Given sales
        | country | kind  | price | at                   |
        | CA      | book  | 2     | 2026-01-01T00:00:00Z |
        | CA      | lamp  | 3     | 2026-01-01T00:00:01Z |
        | FR      | book  | 5     | 2026-01-01T00:00:02Z |
        |         | book  | 1     | 2026-01-01T00:00:03Z |
        |         |       | 7     | 2026-01-01T00:00:04Z |
      When the watermark reaches 2026-01-01T00:01:00Z
      Then Totals is
        | country | kind | grouping_id | n | total | kinds | window_end           |
        | CA      | book | 0           | 1 | 2     | 1     | 2026-01-01T00:01:00Z |
        | CA      | lamp | 0           | 1 | 3     | 1     | 2026-01-01T00:01:00Z |
        | FR      | book | 0           | 1 | 5     | 1     | 2026-01-01T00:01:00Z |
        |         |      | 0           | 1 | 7     | 0     | 2026-01-01T00:01:00Z |
        | CA      |      | 1           | 2 | 5     | 2     | 2026-01-01T00:01:00Z |
        | FR      |      | 1           | 1 | 5     | 1     | 2026-01-01T00:01:00Z |
        |         |      | 1           | 2 | 8     | 1     | 2026-01-01T00:01:00Z |
        |         |      | 3           | 5 | 18    | 2     | 2026-01-01T00:01:00Z |

  Scenario: Groupings of what changes
    @step(name=PerKind)
      @do   aggregate total = sum(price) by country, kind keep for ever
    @step(name=Totals)
      @do   aggregate kinds = count(*), total = sum(total) by grouping sets ((country), ()) keep for ever
    @sink(type=blackhole)

    Examples: each grouping follows
      Given sales
        | country | kind | price | at                   |
        | CA      | book | 2     | 2026-01-01T00:00:00Z |
        | FR      | book | 5     | 2026-01-01T00:00:02Z |
      Then Totals is
        | country | grouping_id | kinds | total |
        | CA      | 0           | 1     | 2     |
        | FR      | 0           | 1     | 5     |
        |         | 1           | 2     | 7     |
      Given sales
        | country | kind | price | at                   |
        | CA      | book | 1     | 2026-01-01T00:00:00Z |
        | CA      | lamp | 1     | 2026-01-01T00:00:00Z |
      Then Totals is
        | country | grouping_id | kinds | total |
        | CA      | 0           | 2     | 4     |
        | FR      | 0           | 1     | 5     |
        |         | 1           | 3     | 9     |

Contract: Sale version 1
  | field   | type         | rules      |
  | country | string       |            |
  | kind    | string       |            |
  | price   | int          | required   |
  | at      | timestamp(s) | event time |
