Feature: Queries
  What SQL says of streams, run as the verbs are.

  Background:
    @source(name=bids, type=file, path="bids.jsonl", contract=QueriedBid@1, lateness=5s)
    @source(name=auctions, type=file, path="auctions.jsonl", contract=QueriedAuction@1, lateness=5s)
    @source(name=people, type=file, path="people.jsonl", contract=QueriedPerson@1, key=id)

  Scenario: The highest price of each minute, by window table and by group window
    @step(name=ByTable)
      @do sql """
        -- a window table, as in the SQL of other streaming engines
        select window_start, window_end, auction, count(*) as n, max(price) as top
        from table(tumble(table bids, descriptor(at), interval '1' minute))
        group by window_start, window_end, auction
        having count(*) >= 2
      """
    @step(name=ByGroup)
      @do sql """
        select tumble_start(at, interval '1' minute) as opened, auction, max(price) - min(price) as spread
        from bids
        group by tumble(at, interval '1' minute), auction
      """
    @sink(name=one, type=blackhole, from=ByTable)
    @sink(name=other, type=blackhole)

    Examples: windows close with the watermark
      Given bids
        | auction | bidder | price | at                   |
        | 1       | 7      | 10    | 2026-01-01T00:00:01Z |
        | 1       | 8      | 30    | 2026-01-01T00:00:59Z |
        | 2       | 7      | 99    | 2026-01-01T00:00:30Z |
        | 1       | 7      | 50    | 2026-01-01T00:01:00Z |
      When the watermark of bids reaches 2026-01-01T00:01:00Z
      Then ByTable is
        | window_start         | window_end           | auction | n | top |
        | 2026-01-01T00:00:00Z | 2026-01-01T00:01:00Z | 1       | 2 | 30  |
      And ByGroup is
        | opened               | auction | spread |
        | 2026-01-01T00:00:00Z | 1       | 20     |
        | 2026-01-01T00:00:00Z | 2       | 0      |

  Scenario: Auctions with their first bids, by a join within an hour
    @step(name=WithBids)
      @do sql """
        select a.id, a.seller, b.bidder, b.price, coalesce(p.name, 'unknown') as name
        from auctions a
        join bids b on b.auction = a.id and b.at between a.opened and a.opened + interval '1' hour
        left join people p on p.id = b.bidder
        where b.price > 5
      """
    @sink(type=blackhole)

    Examples: a bid before its auction and one too late do not count
      Given people
        | id | name |
        | 7  | Ada  |
      And auctions
        | id | seller | opened               |
        | 1  | 3      | 2026-01-01T00:00:00Z |
      And bids
        | auction | bidder | price | at                   |
        | 1       | 7      | 10    | 2026-01-01T00:00:01Z |
        | 1       | 8      | 20    | 2026-01-01T01:00:00Z |
        | 1       | 7      | 5     | 2026-01-01T00:00:02Z |
        | 1       | 8      | 30    | 2026-01-01T01:00:01Z |
        | 2       | 7      | 40    | 2026-01-01T00:00:01Z |
      When the input ends
      Then WithBids is
        | id | seller | bidder | price | name    |
        | 1  | 3      | 7      | 10    | Ada     |
        | 1  | 3      | 8      | 20    | unknown |

  Scenario: Auctions that nobody bids for
    @step(name=Silent)
      @do sql """
        select id from auctions a
        where not exists (
          select 1 from bids b where b.auction = a.id and b.at between a.opened and a.opened + interval '10' minute
        )
      """
    @sink(type=blackhole)

    Examples: known when no bid can come any more
      Given auctions
        | id | seller | opened               |
        | 1  | 3      | 2026-01-01T00:00:00Z |
        | 2  | 3      | 2026-01-01T00:00:00Z |
      And bids
        | auction | bidder | price | at                   |
        | 1       | 7      | 10    | 2026-01-01T00:05:00Z |
        | 2       | 7      | 10    | 2026-01-01T00:11:00Z |
      When the input ends
      Then Silent is
        | id |
        | 2  |

  Scenario: The busiest auctions of a sliding window
    @step(name=Busiest)
      @do sql """
        with counted as (
          select auction, count(*) as n, window_start as opened, window_end as closed
          from table(hop(table bids, descriptor(at), interval '30' second, interval '1' minute))
          group by auction, window_start, window_end
        )
        select c.auction, c.n, c.closed
        from counted c
        join (select max(n) as most, closed from counted group by closed) m
          on c.closed = m.closed and c.n >= m.most
      """
    @sink(type=blackhole)

    Examples: two windows, one of them with a tie
      Given bids
        | auction | bidder | price | at                   |
        | 1       | 7      | 10    | 2026-01-01T00:00:01Z |
        | 1       | 7      | 10    | 2026-01-01T00:00:02Z |
        | 2       | 7      | 10    | 2026-01-01T00:00:03Z |
        | 2       | 7      | 10    | 2026-01-01T00:00:31Z |
      When the input ends
      Then Busiest is
        | auction | n | closed               |
        | 1       | 2 | 2026-01-01T00:00:30Z |
        | 1       | 2 | 2026-01-01T00:01:00Z |
        | 2       | 2 | 2026-01-01T00:01:00Z |
        | 2       | 1 | 2026-01-01T00:01:30Z |

  Scenario: Two inputs in one, filtered before and after
    @step(name=People, from=bids)
      @when price > 5
      @do sql """
        select bidder as person, at from bids
        union all
        select seller, opened from auctions
      """
      @do set known = person < 100
    @sink(type=blackhole)

    Examples: the second input takes the names of the first
      Given bids
        | auction | bidder | price | at                   |
        | 1       | 7      | 10    | 2026-01-01T00:00:01Z |
        | 1       | 8      | 1     | 2026-01-01T00:00:02Z |
      And auctions
        | id | seller | opened               |
        | 1  | 300    | 2026-01-01T00:00:00Z |
      When the input ends
      Then People is
        | person | at                   | known |
        | 7      | 2026-01-01T00:00:01Z | true  |
        | 300    | 2026-01-01T00:00:00Z | false |

  Scenario: Each bid with the end of its minute
    @step(name=Placed)
      @do sql """
        select price, window_start, window_end
        from table(tumble(table bids, descriptor(at), interval '1' minute, interval '15' second))
      """
    @sink(type=blackhole)

    Examples: windows that begin at a quarter
      Given bids
        | auction | bidder | price | at                   |
        | 1       | 7      | 10    | 2026-01-01T00:00:14Z |
        | 1       | 7      | 20    | 2026-01-01T00:00:15Z |
      When the input ends
      Then Placed is
        | price | window_start         | window_end           |
        | 10    | 2025-12-31T23:59:15Z | 2026-01-01T00:00:15Z |
        | 20    | 2026-01-01T00:00:15Z | 2026-01-01T00:01:15Z |

Contract: QueriedBid version 1
  | field   | type          | rules                |
  | auction | int           | required             |
  | bidder  | int           | required             |
  | price   | int           | required             |
  | at      | timestamp(ms) | required, event time |

Contract: QueriedAuction version 1
  | field  | type          | rules                |
  | id     | int           | required             |
  | seller | int           | required             |
  | opened | timestamp(ms) | required, event time |

Contract: QueriedPerson version 1
  | field | type   | rules         |
  | id    | int    | required, key |
  | name  | string |               |
