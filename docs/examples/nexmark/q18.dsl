Feature: Nexmark 18: last bid
  What is the last bid of each bidder on each auction?

  Background:
    @source(name=bids, type=nexmark, kind=bid, events=${env.EVENTS:100000}, event_rate=${env.EVENT_RATE:10000})

  Scenario: The last bids
    A later bid takes the place of the one before it.

    @step(name=Last)
      @do   deduplicate by bidder, auction keep last order by date_time keep for ever
    @sink(type=file, path="out/q18.jsonl")

    Examples: the later bid stays
      Given bids
        | auction | bidder | price | channel | url                | date_time            | extra |
        | 1007    | 1001   | 300   | apple   | https://a.example/ | 2026-01-01T00:00:02Z | abc   |
        | 1007    | 1001   | 200   | apple   | https://a.example/ | 2026-01-01T00:00:01Z | abc   |
        | 1008    | 1001   | 100   | apple   | https://a.example/ | 2026-01-01T00:00:01Z | abc   |
      Then Last is
        | auction | bidder | price |
        | 1007    | 1001   | 300   |
        | 1008    | 1001   | 100   |
