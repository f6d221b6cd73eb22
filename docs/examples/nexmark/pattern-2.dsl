Feature: Nexmark pattern 2: overlapping cheap periods
  For how long does the average price of one bidder on one auction stay below 10,000, from each bid on?

  Background:
    @source(name=bids, type=nexmark, kind=bid, events=${env.EVENTS:100000}, event_rate=${env.EVENT_RATE:10000})

  Scenario: Cheap periods from each bid on
    As many bids as possible whose average stays below 10,000, and then any other. Every bid may begin a period: they overlap.

    @step(name=Cheap)
      @do   match cheap+ then next
              where cheap is avg(cheap.price) < 10000
              per auction, bidder
              after match skip to next row
              give start_time = first(cheap.date_time), end_time = cheap.date_time, avg_price = avg(cheap.price)
              keep for ever
      @do   select auction, bidder, start_time, end_time, avg_price
    @sink(type=file, path="out/pattern-2.jsonl")

    Examples: the third bid lifts the average
      Given bids
        | auction | bidder | price | date_time            |
        | 1007    | 1001   | 5000  | 2026-01-01T00:00:01Z |
        | 1007    | 1001   | 7000  | 2026-01-01T00:00:02Z |
        | 1007    | 1001   | 90000 | 2026-01-01T00:00:03Z |
      When the input ends
      Then Cheap is
        | auction | bidder | start_time           | end_time             | avg_price |
        | 1007    | 1001   | 2026-01-01T00:00:01Z | 2026-01-01T00:00:02Z | 6000      |
        | 1007    | 1001   | 2026-01-01T00:00:02Z | 2026-01-01T00:00:02Z | 7000      |
