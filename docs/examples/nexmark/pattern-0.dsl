Feature: Nexmark pattern 0: falling prices
  When do the prices of one bidder on one auction fall all the time?

  Background:
    @source(name=bids, type=nexmark, kind=bid, events=${env.EVENTS:100000}, event_rate=${env.EVENT_RATE:10000})

  Scenario: Falling prices
    A bid, then at least two that are each lower than the one before, then one that is higher than the last but one of these. The bid that ends one
    fall may begin the next.

    @step(name=Falls)
      @do   match start then down+ then up
              where down is down.price < coalesce(last(down.price, 1), start.price),
                up is up.price > last(down.price, 1)
              per auction, bidder
              after match skip to last up
              give start_time = start.date_time, bottom_time = down.date_time, end_time = up.date_time
              keep for ever
      @do   select auction, bidder, start_time, bottom_time, end_time
    @sink(type=file, path="out/pattern-0.jsonl")

    Examples: down, down, up
      Given bids
        | auction | bidder | price | date_time            |
        | 1007    | 1001   | 500   | 2026-01-01T00:00:01Z |
        | 1007    | 1001   | 400   | 2026-01-01T00:00:02Z |
        | 1007    | 1001   | 300   | 2026-01-01T00:00:03Z |
        | 1007    | 1001   | 450   | 2026-01-01T00:00:04Z |
      When the input ends
      Then Falls is
        | auction | bidder | start_time           | bottom_time          | end_time             |
        | 1007    | 1001   | 2026-01-01T00:00:01Z | 2026-01-01T00:00:03Z | 2026-01-01T00:00:04Z |
