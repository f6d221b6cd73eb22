Feature: Nexmark 5: hot items
  Which auctions had the most bids in the last ten seconds?

  Background:
    @source(name=bids, type=nexmark, kind=bid, events=${env.EVENTS:100000}, event_rate=${env.EVENT_RATE:10000})

  Scenario: The hottest auctions, every two seconds
    Bids are counted for each auction in windows of ten seconds that start every two seconds. The counts of one window compete; auctions with
    equal counts share the first place.

    @step(name=Counts)
      @do   aggregate num = count(*)
              by auction
              in hopping(10s, every 2s)
    @step(name=Hot)
      @do   top 1 by num desc with ties per window_end
      @do   select auction, num, window_start, window_end
    @sink(type=file, path="out/q5.jsonl")

    Examples: two auctions share a place
      Given bids
        | auction | date_time            |
        | 1007    | 2026-01-01T00:00:01Z |
        | 1007    | 2026-01-01T00:00:03Z |
        | 1008    | 2026-01-01T00:00:03Z |
        | 1008    | 2026-01-01T00:00:03Z |
      When the watermark of bids reaches 2026-01-01T00:00:04Z
      Then Hot is
        | auction | num | window_start         | window_end           |
        | 1007    | 1   | 2025-12-31T23:59:52Z | 2026-01-01T00:00:02Z |
        | 1007    | 2   | 2025-12-31T23:59:54Z | 2026-01-01T00:00:04Z |
        | 1008    | 2   | 2025-12-31T23:59:54Z | 2026-01-01T00:00:04Z |
