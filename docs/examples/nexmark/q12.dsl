Feature: Nexmark 12: processing-time windows
  How many bids of a bidder are processed in ten seconds?

  Background:
    @source(name=bids, type=nexmark, kind=bid, events=${env.EVENTS:100000}, event_rate=${env.EVENT_RATE:10000})

  Scenario: Bids by the clock on the wall
    The windows are those of the machine's clock, whatever the bids say of their own time.

    @step(name=Counts)
      @do   aggregate bid_count = count(*)
              by bidder
              in tumbling(10s) on processing time
      @do   select bidder, bid_count, window_start as start_time, window_end as end_time
    @sink(type=file, path="out/q12.jsonl")

    Examples: what comes later counts in a later window
      Given bids
        | auction | bidder | date_time            |
        | 1007    | 1001   | 2026-01-01T00:00:01Z |
        | 1008    | 1001   | 2026-01-01T00:00:01Z |
      When time passes 10s
      Given bids
        | auction | bidder | date_time            |
        | 1009    | 1001   | 2026-01-01T00:00:01Z |
      When time passes 10s
      Then Counts is
        | bidder | bid_count | start_time           | end_time             |
        | 1001   | 2         | 2000-01-01T00:00:00Z | 2000-01-01T00:00:10Z |
        | 1001   | 1         | 2000-01-01T00:00:10Z | 2000-01-01T00:00:20Z |
