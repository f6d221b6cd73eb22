Feature: Auctions
  Background:
    @source(name=bids, type=topic, topic="bids", contract=Bid, lateness=5s)
    @source(name=auctions, type=topic, topic="auctions", contract=Auction, lateness=5s)
    @source(name=people, type=file, path="people.json", contract=Person)

  Scenario: A mistake
    @step(name=A)
      @do sql """
        with recursive r as (select id from people union all select people.id from r join people on people.id = r.id) select * from r
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
