Feature: Nexmark 6: average selling price by seller
  What do the last ten auctions of a seller sell for, on the average?

  Background:
    @source(name=bids, type=nexmark, kind=bid, events=${env.EVENTS:100000}, event_rate=${env.EVENT_RATE:10000})
    @source(name=auctions, type=nexmark, kind=auction, events=${env.EVENTS:100000}, event_rate=${env.EVENT_RATE:10000})

  Scenario: Sellers by their last ten sales
    The highest bid of an auction is its price as long as it runs, and what it sells for when it is over. Each new auction of a seller pushes
    his eleventh out of the average. A ranking of one changelog, aggregated into another: whatever changes below goes through to the top.

    @step(name=Offers, from=bids)
      @do   join auctions on auctions.id = bids.auction and bids.date_time between auctions.date_time and auctions.expires
              keep for ever
    @step(name=Highest)
      @do   aggregate final = max(price)
              by auction, seller, expires
              keep for ever
    @step(name=Recent)
      @do   top 10 by expires desc, auction desc per seller keep for ever
    @step(name=Averages)
      @do   aggregate average = avg(final)
              by seller
              keep for ever
    @sink(type=file, path="out/q6.jsonl")

    Examples: a better bid moves the average
      Given auctions
        | id   | seller | date_time            | expires              |
        | 2000 | 1001   | 2026-01-01T00:00:00Z | 2026-01-01T00:01:00Z |
        | 2001 | 1001   | 2026-01-01T00:00:00Z | 2026-01-01T00:02:00Z |
      And bids
        | auction | price | date_time            |
        | 2000    | 100   | 2026-01-01T00:00:01Z |
        | 2001    | 400   | 2026-01-01T00:00:03Z |
      Then Averages is
        | seller | average |
        | 1001   | 250     |
      Given bids
        | auction | price | date_time            |
        | 2000    | 200   | 2026-01-01T00:00:04Z |
      Then Averages is
        | seller | average |
        | 1001   | 300     |
