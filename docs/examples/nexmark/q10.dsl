Feature: Nexmark 10: log to files
  All bids, in files by day and minute.

  Background:
    @source(name=bids, type=nexmark, kind=bid, events=${env.EVENTS:100000}, event_rate=${env.EVENT_RATE:10000})

  Scenario: Bids in folders
    `dt` and `hm` become folders. Each part appears complete or not at all.

    @step(name=Logged)
      @do   select auction, bidder, price, date_time, extra, cast(date_time as date) as dt, to_char(date_time, '%H:%M') as hm
    @sink(type=file, path="out/q10/", format=csv, partition_by=[dt, hm])

    Examples: a bid finds its day and minute
      Given bids
        | auction | bidder | price | date_time            | extra |
        | 1007    | 1001   | 250   | 2026-01-01T23:59:01Z | abc   |
      Then Logged is
        | auction | dt         | hm    |
        | 1007    | 2026-01-01 | 23:59 |
