Feature: Nexmark 19: top ten bids
  What are the ten highest bids on each auction?

  Background:
    @source(name=bids, type=nexmark, kind=bid, events=${env.EVENTS:100000}, event_rate=${env.EVENT_RATE:10000})

  Scenario: The ten highest bids
    Of bids of the same price the earlier one stands before the later. A bid that enters the list moves others down, and may push one out:
    the result is a changelog.

    @step(name=Ranked)
      @do   top 10 by price desc, date_time per auction as rank_number keep for ever
    @sink(type=file, path="out/q19.jsonl")

    Examples: a higher bid moves the others down
      Given bids
        | auction | bidder | price | channel | url                | date_time            | extra |
        | 1007    | 1001   | 300   | apple   | https://a.example/ | 2026-01-01T00:00:01Z | abc   |
        | 1007    | 1002   | 300   | apple   | https://a.example/ | 2026-01-01T00:00:02Z | abc   |
      And bids
        | auction | bidder | price | channel | url                | date_time            | extra |
        | 1007    | 1003   | 400   | apple   | https://a.example/ | 2026-01-01T00:00:03Z | abc   |
      Then Ranked is
        | bidder | price | rank_number |
        | 1003   | 400   | 1           |
        | 1001   | 300   | 2           |
        | 1002   | 300   | 3           |
