Feature: Nexmark 2: selection
  What is bid on some chosen auctions?

  Background:
    @source(name=bids, type=nexmark, kind=bid, events=${env.EVENTS:100000}, event_rate=${env.EVENT_RATE:10000})

  Scenario: Bids on every 123rd auction
    A filter that lets few rows pass.

    @step(name=Chosen)
      @when auction % 123 = 0
      @do   select auction, price
    @sink(type=file, path="out/q2.jsonl")

    Examples: one of two auctions is chosen
      Given bids
        | auction | price | date_time            |
        | 1107    | 250   | 2026-01-01T00:00:01Z |
        | 1108    | 300   | 2026-01-01T00:00:01Z |
      Then Chosen is
        | auction | price |
        | 1107    | 250   |
