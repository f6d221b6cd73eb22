Feature: Nexmark 1: currency conversion
  What is each bid worth in euros?

  Background:
    @source(name=bids, type=nexmark, kind=bid, events=${env.EVENTS:100000}, event_rate=${env.EVENT_RATE:10000})

  Scenario: Prices in euros
    A dollar is 0.908 euros. Prices are exact: decimals, not floats.

    @step(name=Euros)
      @do   select auction, bidder, cast(price as decimal(19, 0)) * cast(0.908 as decimal(4, 3)) as price, date_time, extra
    @sink(type=file, path="out/q1.jsonl")

    Examples: a price is converted
      Given bids
        | auction | bidder | price | date_time            | extra |
        | 1007    | 1001   | 250   | 2026-01-01T00:00:01Z | abc   |
      Then Euros is
        | auction | bidder | price   |
        | 1007    | 1001   | 227.000 |
