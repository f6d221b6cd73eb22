Feature: Nexmark 23: bidders who sell
  What do those bid who sell something themselves?

  Background:
    @source(name=bids, type=nexmark, kind=bid, events=${env.EVENTS:100000}, event_rate=${env.EVENT_RATE:10000})
    @source(name=auctions, type=nexmark, kind=auction, events=${env.EVENTS:100000}, event_rate=${env.EVENT_RATE:10000})
    @source(name=people, type=nexmark, kind=person, events=${env.EVENTS:100000}, event_rate=${env.EVENT_RATE:10000})

  Scenario: Bids of sellers
    Every bid meets its bidder, and every auction that the bidder has opened: three streams in two joins.

    @step(name=ByPeople, from=bids)
      @do   join people on people.id = bids.bidder keep for ever
      @do   select bidder, price, channel, url, bids.extra as bid_extra, people.id as person_id, name, email_address, credit_card, city,
              state, people.extra as person_extra
    @step(name=BySellers)
      @do   join auctions on auctions.seller = ByPeople.bidder keep for ever
      @do   select bidder, price, channel, url, bid_extra, person_id, name, email_address, credit_card, city, state, person_extra,
              item_name, description, initial_bid, reserve, auctions.date_time as auction_date_time, expires, seller, category,
              auctions.extra as auction_extra
    @sink(type=file, path="out/q23.jsonl")

    Examples: a bidder who sells, and one who does not
      Given people
        | id   | name      | date_time            |
        | 1001 | Ada Arden | 2026-01-01T00:00:00Z |
        | 1002 | Ben Brook | 2026-01-01T00:00:00Z |
      And auctions
        | id   | seller | item_name | date_time            |
        | 2000 | 1001   | old desk  | 2026-01-01T00:00:01Z |
        | 2001 | 1001   | rare map  | 2026-01-01T00:00:01Z |
      And bids
        | auction | bidder | price | date_time            |
        | 3000    | 1001   | 100   | 2026-01-01T00:00:02Z |
        | 3000    | 1002   | 200   | 2026-01-01T00:00:02Z |
      Then BySellers is
        | bidder | price | name      | item_name |
        | 1001   | 100   | Ada Arden | old desk  |
        | 1001   | 100   | Ada Arden | rare map  |
