Feature: One row of each key

  Background:
    @source(name=orders, type=file, path="orders.jsonl", contract=OrderState@1, lateness=10s)

  Scenario: The first that comes
    @step(name=First)
      @do   deduplicate by id keep for ever
    @step(name=Hourly, from=orders)
      @do   deduplicate by id keep first within 1h
    @sink(name=s1, type=blackhole, from=First)
    @sink(name=s2, type=blackhole, from=Hourly)
    @sink(name=s3, type=blackhole, from=rejected)

    Examples: it goes through at once, whatever comes later
      Given orders
        | id | state | at                   |
        | 1  | old   | 2026-01-01T00:00:04Z |
        | 2  | new   | 2026-01-01T00:00:06Z |
      Then First is
        | id | state | at                   |
        | 1  | old   | 2026-01-01T00:00:04Z |
        | 2  | new   | 2026-01-01T00:00:06Z |
      Given orders
        | id | state | at                   |
        | 1  | older | 2026-01-01T00:00:01Z |
        | 3  | new   | 2026-01-01T00:00:07Z |
        |    | new   | 2026-01-01T00:00:07Z |
      Then First is
        | id | state | at                   |
        | 1  | old   | 2026-01-01T00:00:04Z |
        | 2  | new   | 2026-01-01T00:00:06Z |
        | 3  | new   | 2026-01-01T00:00:07Z |
        |    | new   | 2026-01-01T00:00:07Z |
      Given orders
        | id | state | at                   |
        |    | again | 2026-01-01T00:00:08Z |
      Then First is
        | id | state | at                   |
        | 1  | old   | 2026-01-01T00:00:04Z |
        | 2  | new   | 2026-01-01T00:00:06Z |
        | 3  | new   | 2026-01-01T00:00:07Z |
        |    | new   | 2026-01-01T00:00:07Z |

    Examples: behind the horizon a row is a first one again
      Given orders
        | id | state | at                   |
        | 1  | a     | 2026-01-01T00:00:00Z |
        | 1  | b     | 2026-01-01T00:59:59Z |
        | 1  | c     | 2026-01-01T01:00:00Z |
        | 1  | d     | 2026-01-01T01:30:00Z |
        | 1  | e     | 2026-01-01T02:00:00Z |
      Then Hourly is
        | id | state | at                   |
        | 1  | a     | 2026-01-01T00:00:00Z |
        | 1  | c     | 2026-01-01T01:00:00Z |
        | 1  | e     | 2026-01-01T02:00:00Z |
      And First is
        | id | state | at                   |
        | 1  | a     | 2026-01-01T00:00:00Z |
      Given orders
        | id | state | at                   |
        | 1  | late  | 2026-01-01T01:00:00Z |
        | 2  | late  | 2026-01-01T01:00:00Z |
      Then rejected is
        | reason | step   | position |
        | late   | Hourly | 7        |

  Scenario: The first in time
    @step(name=First)
      @do   deduplicate by id keep first order by at, state keep for ever
    @sink(type=blackhole)
    @sink(name=dead, type=blackhole, from=rejected)

    Examples: it goes through when the watermark has passed it
      Given orders
        | id | state | at                   |
        | 1  | b     | 2026-01-01T00:00:05Z |
        | 1  | a     | 2026-01-01T00:00:05Z |
      And orders
        | id | state | at                   |
        | 1  | c     | 2026-01-01T00:00:04Z |
        | 2  | x     | 2026-01-01T00:00:15Z |
      Then First is
        | id | state | at                   |
        | 1  | c     | 2026-01-01T00:00:04Z |
      Given orders
        | id | state | at                   |
        | 1  | d     | 2026-01-01T00:00:01Z |
        | 3  | y     | 2026-01-01T00:00:01Z |
      When the input ends
      Then First is
        | id | state | at                   |
        | 1  | c     | 2026-01-01T00:00:04Z |
        | 2  | x     | 2026-01-01T00:00:15Z |
      And rejected is
        | reason | step  | position |
        | late   | First | 6        |

  Scenario: The last
    @step(name=Newest)
      @do   deduplicate by id keep last keep for ever
    @step(name=Latest, from=orders)
      @do   deduplicate by id keep last order by at, state keep for ever
    @step(name=Smallest, from=orders)
      @do   deduplicate by id keep first order by state keep for ever
    @step(name=OfChanges, from=Latest)
      @do   deduplicate by state keep first order by id keep for ever
    @sink(name=s1, type=blackhole, from=Newest, key=id)
    @sink(name=s2, type=blackhole, from=Latest, key=id)
    @sink(name=s3, type=blackhole, from=Smallest, key=id)
    @sink(name=s4, type=blackhole, from=OfChanges, key=state)

    Examples: by coming, by time, and by anything
      Given orders
        | id | state | at                   |
        | 1  | c     | 2026-01-01T00:00:04Z |
        | 2  | x     | 2026-01-01T00:00:04Z |
      Then Newest is
        | id | state | at                   |
        | 1  | c     | 2026-01-01T00:00:04Z |
        | 2  | x     | 2026-01-01T00:00:04Z |
      Given orders
        | id | state | at                   |
        | 1  | d     | 2026-01-01T00:00:05Z |
        | 2  | d     | 2026-01-01T00:00:06Z |
        | 3  | x     | 2026-01-01T00:00:06Z |
      Then Newest is
        | id | state | at                   |
        | 1  | d     | 2026-01-01T00:00:05Z |
        | 2  | d     | 2026-01-01T00:00:06Z |
        | 3  | x     | 2026-01-01T00:00:06Z |
      Given orders
        | id | state | at                   |
        | 1  | a     | 2026-01-01T00:00:01Z |
      Then Newest is
        | id | state | at                   |
        | 1  | a     | 2026-01-01T00:00:01Z |
        | 2  | d     | 2026-01-01T00:00:06Z |
        | 3  | x     | 2026-01-01T00:00:06Z |
      And Latest is
        | id | state | at                   |
        | 1  | d     | 2026-01-01T00:00:05Z |
        | 2  | d     | 2026-01-01T00:00:06Z |
        | 3  | x     | 2026-01-01T00:00:06Z |
      And Smallest is
        | id | state | at                   |
        | 1  | a     | 2026-01-01T00:00:01Z |
        | 2  | d     | 2026-01-01T00:00:06Z |
        | 3  | x     | 2026-01-01T00:00:06Z |
      And OfChanges is
        | id | state | at                   |
        | 1  | d     | 2026-01-01T00:00:05Z |
        | 3  | x     | 2026-01-01T00:00:06Z |

  Scenario: The last of a while
    @step(name=Calm)
      @do   deduplicate by id keep last order by at, state within 10s
    @sink(type=blackhole)
    @sink(name=dead, type=blackhole, from=rejected)

    Examples: a row comes out when none follows it within that time
      Given orders
        | id | state | at                   |
        | 1  | a     | 2026-01-01T00:00:05Z |
        | 1  | b     | 2026-01-01T00:00:14Z |
        | 1  | c     | 2026-01-01T00:00:24Z |
        | 1  | d     | 2026-01-01T00:00:24Z |
        | 2  | x     | 2026-01-01T00:00:30Z |
      Then Calm is empty
      Given orders
        | id | state | at                   |
        | 1  | e     | 2026-01-01T00:00:20Z |
        | 3  | y     | 2026-01-01T00:00:44Z |
      Then Calm is
        | id | state | at                   |
        | 1  | d     | 2026-01-01T00:00:24Z |
      When the input ends
      Then Calm is
        | id | state | at                   |
        | 1  | d     | 2026-01-01T00:00:24Z |
        | 2  | x     | 2026-01-01T00:00:30Z |
        | 3  | y     | 2026-01-01T00:00:44Z |
      And rejected is empty

Contract: OrderState version 1
  | field | type          | rules                |
  | id    | int           |                      |
  | state | string        |                      |
  | at    | timestamp(ms) | required, event time |
