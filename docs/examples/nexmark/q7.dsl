Feature: Nexmark 7: highest bid
  What was the highest bid of each ten seconds?

  Background:
    @source(name=bids, type=nexmark, kind=bid, events=${env.EVENTS:100000}, event_rate=${env.EVENT_RATE:10000})

  Scenario: The highest bids of ten seconds
    Bids of the same price share the first place: all of them come out.

    @step(name=Winners)
      @do   select auction, bidder, price, date_time, extra
      @do   top 1 by price desc with ties in tumbling(10s)
      @do   drop window_start, window_end
    @sink(type=file, path="out/q7.jsonl")

    Examples: two bids of the same price
      Given bids
        | auction | bidder | price | date_time            | extra |
        | 1007    | 1001   | 500   | 2026-01-01T00:00:01Z | abc   |
        | 1007    | 1002   | 400   | 2026-01-01T00:00:02Z | abc   |
        | 1008    | 1003   | 500   | 2026-01-01T00:00:03Z | abc   |
        | 1008    | 1004   | 100   | 2026-01-01T00:00:11Z | abc   |
      When the input ends
      Then Winners is
        | auction | bidder | price |
        | 1007    | 1001   | 500   |
        | 1008    | 1003   | 500   |
        | 1008    | 1004   | 100   |
