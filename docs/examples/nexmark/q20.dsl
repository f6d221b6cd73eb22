Feature: Nexmark 20: bids with their auction
  What is bid on auctions of category 10, and what do we know of these?

  Background:
    @source(name=bids, type=nexmark, kind=bid, events=${env.EVENTS:100000}, event_rate=${env.EVENT_RATE:10000})
    @source(name=auctions, type=nexmark, kind=auction, events=${env.EVENTS:100000}, event_rate=${env.EVENT_RATE:10000})

  Scenario: Bids of one category
    A bid may come before its auction: both are kept.

    @step(name=Chosen, from=auctions)
      @when category = 10
    @step(name=Expanded, from=bids)
      @do   join Chosen on Chosen.id = bids.auction keep for ever
      @do   select auction, bidder, price, channel, url, bids.date_time as bid_date_time, bids.extra as bid_extra, item_name, description,
              initial_bid, reserve, Chosen.date_time as auction_date_time, expires, seller, category, Chosen.extra as auction_extra
    @sink(type=file, path="out/q20.jsonl")

    Examples: a bid waits for its auction
      Given bids
        | auction | bidder | price | channel | url                | date_time            | extra |
        | 2000    | 1001   | 100   | apple   | https://a.example/ | 2026-01-01T00:00:01Z | abc   |
        | 2001    | 1001   | 100   | apple   | https://a.example/ | 2026-01-01T00:00:01Z | abc   |
      Then Expanded is empty
      Given auctions
        | id   | item_name | description | initial_bid | reserve | date_time            | expires              | seller | category | extra |
        | 2000 | old desk  | of oak      | 50          | 200     | 2026-01-01T00:00:02Z | 2026-01-01T00:01:00Z | 1002   | 10       | abc   |
        | 2001 | rare map  | of Peru     | 50          | 200     | 2026-01-01T00:00:02Z | 2026-01-01T00:01:00Z | 1002   | 11       | abc   |
      Then Expanded is
        | auction | bidder | item_name |
        | 2000    | 1001   | old desk  |
