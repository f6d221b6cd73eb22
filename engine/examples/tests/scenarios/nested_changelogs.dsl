Feature: Aggregates over results that change

  Background:
    @source(name=bids, type=file, path="bids.jsonl", contract=Offer@1)

  Scenario: The average of the highest
    @step(name=Highest)
      @do   aggregate price = max(price), category = max(category)
              by auction
              keep for ever
    @step(name=Average)
      @do   aggregate mean = avg(price), auctions = count(*), least = min(price), most = max(price),
              middle = median(price), prices = array_agg(price order by price desc)
              by category
              keep for ever
    @step(name=Spread)
      @do   aggregate categories = count(*), highest = max(mean)
    @sink(type=blackhole)

    Examples: a result that is replaced counts no more
      Given bids
        | auction | category | price | at                   |
        | 1       | a        | 10    | 2026-01-01T00:00:00Z |
        | 2       | a        | 30    | 2026-01-01T00:00:00Z |
        | 3       | b        | 7     | 2026-01-01T00:00:00Z |
      Then Average is
        | category | mean | auctions | least | most | middle | prices   |
        | a        | 20.0 | 2        | 10    | 30   | 20     | [30, 10] |
        | b        | 7.0  | 1        | 7     | 7    | 7      | [7]      |
      And Spread is
        | categories | highest |
        | 2          | 20.0    |
      Given bids
        | auction | category | price | at                   |
        | 1       | a        | 40    | 2026-01-01T00:00:01Z |
        | 2       | a        | 20    | 2026-01-01T00:00:01Z |
      Then Average is
        | category | mean | auctions | least | most | middle | prices   |
        | a        | 35.0 | 2        | 30    | 40   | 35     | [40, 30] |
        | b        | 7.0  | 1        | 7     | 7    | 7      | [7]      |
      And Spread is
        | categories | highest |
        | 2          | 35.0    |

    Examples: a group goes when its last row moves to another
      Given bids
        | auction | category | price | at                   |
        | 1       | a        | 10    | 2026-01-01T00:00:00Z |
      Then Average is
        | category | mean | auctions |
        | a        | 10.0 | 1        |
      Given bids
        | auction | category | price | at                   |
        | 1       | b        | 5     | 2026-01-01T00:00:01Z |
      Then Average is
        | category | mean | auctions |
        | b        | 10.0 | 1        |
      And Spread is
        | categories | highest |
        | 1          | 10.0    |

  Scenario: How many have how many
    @step(name=PerAuction)
      @do   aggregate n = count(*) by auction keep for ever
    @step(name=Histogram)
      @do   aggregate auctions = count(*), of_them = count(distinct auction) by n keep for ever
    @sink(type=blackhole)

    Examples: rows move from group to group
      Given bids
        | auction | price | at                   |
        | 1       | 1     | 2026-01-01T00:00:00Z |
        | 2       | 1     | 2026-01-01T00:00:00Z |
        | 2       | 1     | 2026-01-01T00:00:00Z |
      Then Histogram is
        | n | auctions | of_them |
        | 1 | 1        | 1       |
        | 2 | 1        | 1       |
      Given bids
        | auction | price | at                   |
        | 1       | 1     | 2026-01-01T00:00:00Z |
      Then Histogram is
        | n | auctions | of_them |
        | 2 | 2        | 2       |

  Scenario: Windows of windows that show themselves early
    @step(name=Minute)
      @do   aggregate n = count(*) by auction in tumbling(1m) emit on change
    @step(name=Hour)
      @do   aggregate most = max(n), minutes = count(*) by auction in tumbling(1h)
    @sink(type=blackhole)

    Examples: only the last word of each minute counts
      Given bids
        | auction | price | at                   |
        | 1       | 1     | 2026-01-01T00:00:00Z |
      And bids
        | auction | price | at                   |
        | 1       | 1     | 2026-01-01T00:00:30Z |
        | 1       | 1     | 2026-01-01T00:01:30Z |
      When the watermark reaches 2026-01-01T01:00:00Z
      Then Hour is
        | auction | most | minutes | window_end           |
        | 1       | 2    | 2       | 2026-01-01T01:00:00Z |

Contract: Offer version 1
  | field    | type         | rules      |
  | auction  | int          | required   |
  | category | string       |            |
  | price    | int          | required   |
  | at       | timestamp(s) | event time |
