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
        | id   | name      | email_address | credit_card         | city     | state | date_time            | extra |
        | 1001 | Ada Arden | ada@x.example | 1111 2222 3333 4444 | Portland | OR    | 2026-01-01T00:00:00Z | abc   |
        | 1002 | Ben Brook | ben@x.example | 1111 2222 3333 4444 | Seattle  | WA    | 2026-01-01T00:00:00Z | abc   |
      And auctions
        | id   | item_name | description | initial_bid | reserve | date_time            | expires              | seller | category | extra |
        | 2000 | old desk  | of oak      | 50          | 200     | 2026-01-01T00:00:01Z | 2026-01-01T00:01:00Z | 1001   | 10       | abc   |
        | 2001 | rare map  | of Peru     | 50          | 200     | 2026-01-01T00:00:01Z | 2026-01-01T00:01:00Z | 1001   | 11       | abc   |
      And bids
        | auction | bidder | price | channel | url                | date_time            | extra |
        | 3000    | 1001   | 100   | apple   | https://a.example/ | 2026-01-01T00:00:02Z | abc   |
        | 3000    | 1002   | 200   | apple   | https://a.example/ | 2026-01-01T00:00:02Z | abc   |
      Then BySellers is
        | bidder | price | name      | item_name |
        | 1001   | 100   | Ada Arden | old desk  |
        | 1001   | 100   | Ada Arden | rare map  |
