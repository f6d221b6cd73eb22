Feature: Nexmark 11: user sessions
  How many bids does a bidder make in one go?

  Background:
    @source(name=bids, type=nexmark, kind=bid, events=${env.EVENTS:100000}, event_rate=${env.EVENT_RATE:10000})

  Scenario: Bids of a session
    A session ends when its bidder has been silent for ten seconds.

    @step(name=Sessions)
      @do   aggregate bid_count = count(*)
              by bidder
              in session(10s)
      @do   select bidder, bid_count, window_start as start_time, window_end as end_time
    @sink(type=file, path="out/q11.jsonl")

    Examples: a pause of eleven seconds makes two sessions
      Given bids
        | auction | bidder | date_time            |
        | 1007    | 1001   | 2026-01-01T00:00:01Z |
        | 1008    | 1001   | 2026-01-01T00:00:09Z |
        | 1009    | 1001   | 2026-01-01T00:00:20Z |
      When the input ends
      Then Sessions is
        | bidder | bid_count | start_time           | end_time             |
        | 1001   | 2         | 2026-01-01T00:00:01Z | 2026-01-01T00:00:19Z |
        | 1001   | 1         | 2026-01-01T00:00:20Z | 2026-01-01T00:00:30Z |
