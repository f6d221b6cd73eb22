Feature: Nexmark 0: pass through
  Every bid, unchanged. It measures what reading and writing alone cost.

  Background:
    @source(name=bids, type=nexmark, kind=bid, events=${env.EVENTS:100000}, event_rate=${env.EVENT_RATE:10000})

  Scenario: All bids
    All bids, without where they were made.

    @step(name=Bids)
      @do   select auction, bidder, price, date_time, extra
    @sink(type=file, path="out/q0.jsonl")

    Examples: what comes in goes out
      Given bids
        | auction | bidder | price | date_time            | extra |
        | 1007    | 1001   | 250   | 2026-01-01T00:00:01Z | abc   |
      Then Bids is
        | auction | bidder | price | date_time            | extra |
        | 1007    | 1001   | 250   | 2026-01-01T00:00:01Z | abc   |
