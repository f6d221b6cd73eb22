Feature: Nexmark pattern 3: sudden drops
  When does the price of one bidder on one auction drop by more than 50 within five seconds?

  Background:
    @source(name=bids, type=nexmark, kind=bid, events=${env.EVENTS:100000}, event_rate=${env.EVENT_RATE:10000})

  Scenario: Sudden drops
    A bid, then any number that stay above it less 50, then one that is below.

    @step(name=Drops)
      @do   match start then steady* then low
              where steady is steady.price > start.price - 50,
                low is low.price < start.price - 50
              per auction, bidder
              within 5s
              give drop_time = low.date_time, drop_diff = start.price - low.price
      @do   select auction, bidder, drop_time, drop_diff
    @sink(type=file, path="out/pattern-3.jsonl")

    Examples: a drop within five seconds
      Given bids
        | auction | bidder | price | date_time            |
        | 1007    | 1001   | 500   | 2026-01-01T00:00:01Z |
        | 1007    | 1001   | 480   | 2026-01-01T00:00:02Z |
        | 1007    | 1001   | 300   | 2026-01-01T00:00:03Z |
      When the input ends
      Then Drops is
        | auction | bidder | drop_time            | drop_diff |
        | 1007    | 1001   | 2026-01-01T00:00:03Z | 200       |
