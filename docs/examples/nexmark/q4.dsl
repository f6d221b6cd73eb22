Feature: Nexmark 4: average price for a category
  What do auctions of each category sell for, on the average?

  Background:
    @source(name=bids, type=nexmark, kind=bid, events=${env.EVENTS:100000}, event_rate=${env.EVENT_RATE:10000})
    @source(name=auctions, type=nexmark, kind=auction, events=${env.EVENTS:100000}, event_rate=${env.EVENT_RATE:10000})

  Scenario: Average of the highest bids
    A bid counts while its auction runs. The highest bid of each auction so far changes with every better one, and with it the average of
    its category: one changelog is aggregated into another.

    @step(name=Offers, from=bids)
      @do   join auctions on auctions.id = bids.auction and bids.date_time between auctions.date_time and auctions.expires
              keep for ever
    @step(name=Highest)
      @do   aggregate final = max(price)
              by auction, category
              keep for ever
    @step(name=Averages)
      @do   aggregate average = avg(final)
              by category
              keep for ever
    @sink(type=file, path="out/q4.jsonl")

    Examples: a better bid moves the average, a bid after the end does not
      Given auctions
        | id   | category | date_time            | expires              |
        | 2000 | 10       | 2026-01-01T00:00:00Z | 2026-01-01T00:01:00Z |
        | 2001 | 10       | 2026-01-01T00:00:00Z | 2026-01-01T00:01:00Z |
      And bids
        | auction | price | date_time            |
        | 2000    | 100   | 2026-01-01T00:00:01Z |
        | 2001    | 200   | 2026-01-01T00:00:02Z |
      Then Averages is
        | category | average |
        | 10       | 150     |
      Given bids
        | auction | price | date_time            |
        | 2000    | 400   | 2026-01-01T00:00:03Z |
        | 2001    | 900   | 2026-01-01T00:02:00Z |
      Then Averages is
        | category | average |
        | 10       | 300     |
