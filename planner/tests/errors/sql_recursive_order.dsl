Feature: Auctions
  Background:
    @source(name=bids, type=topic, topic="bids", contract=Bid, lateness=5s)
    @source(name=auctions, type=topic, topic="auctions", contract=Auction, lateness=5s)
    @source(name=people, type=file, path="people.json", contract=Person)

  Scenario: A mistake
    @step(name=A)
      @do sql """
        with recursive r as (select auction from bids union select t.auction from r join (select auction, bidder from bids order by bidder desc limit 3) t on t.bidder = r.auction) select * from r
      """
    @sink(type=stdout)

Contract: Bid version 1
  | field    | type          | rules                |
  | auction  | int           | required             |
  | bidder   | int           |                      |
  | price    | int           | required             |
  | currency | string        |                      |
  | at       | timestamp(ms) | required, event time |

Contract: Auction version 1
  | field    | type          | rules                |
  | id       | int           | required             |
  | seller   | int           |                      |
  | opened   | timestamp(ms) | required, event time |
  | closes   | timestamp(ms) |                      |

Contract: Person version 1
  | field | type   | rules         |
  | id    | int    | required, key |
  | name  | string |               |
