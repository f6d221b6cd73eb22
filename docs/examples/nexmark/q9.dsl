Feature: Nexmark 9: winning bids
  Which bid wins each auction?

  Background:
    @source(name=bids, type=nexmark, kind=bid, events=${env.EVENTS:100000}, event_rate=${env.EVENT_RATE:10000})
    @source(name=auctions, type=nexmark, kind=auction, events=${env.EVENTS:100000}, event_rate=${env.EVENT_RATE:10000})

  Scenario: The best bid so far
    Of the bids that came while the auction ran, the highest wins; of equal ones, the earliest. A better bid takes the place of the one before
    it; the result is a changelog.

    @step(name=Offers, from=auctions)
      @do   join bids on bids.auction = auctions.id and bids.date_time between auctions.date_time and auctions.expires
              keep for ever
      @do   select id, item_name, description, initial_bid, reserve, auctions.date_time as date_time, expires, seller, category,
              auctions.extra as extra, auction, bidder, price, bids.date_time as bid_date_time, bids.extra as bid_extra
    @step(name=Winning)
      @do   top 1 by price desc, bid_date_time per id keep for ever
    @sink(type=file, path="out/q9.jsonl")

    Examples: a better bid wins, one that comes too late does not
      Given auctions
        | id   | item_name | description | initial_bid | reserve | date_time            | expires              | seller | category | extra |
        | 2000 | old desk  | of oak      | 50          | 200     | 2026-01-01T00:00:00Z | 2026-01-01T00:01:00Z | 1001   | 10       | abc   |
      And bids
        | auction | bidder | price | date_time            | extra |
        | 2000    | 1002   | 100   | 2026-01-01T00:00:01Z | abc   |
      Then Winning is
        | id   | bidder | price |
        | 2000 | 1002   | 100   |
      Given bids
        | auction | bidder | price | date_time            | extra |
        | 2000    | 1003   | 300   | 2026-01-01T00:00:02Z | abc   |
        | 2000    | 1004   | 300   | 2026-01-01T00:00:03Z | abc   |
        | 2000    | 1005   | 900   | 2026-01-01T00:01:01Z | abc   |
      Then Winning is
        | id   | bidder | price |
        | 2000 | 1003   | 300   |
