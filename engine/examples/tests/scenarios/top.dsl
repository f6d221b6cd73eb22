Feature: The first rows by some order

  Background:
    @source(name=bids, type=file, path="bids.jsonl", contract=Bid@1, lateness=0s)

  Scenario: The highest bids of each auction, over all time
    @step(name=Best)
      @do   top 2 by price desc per auction keep for ever
      @do   select auction, bidder, price
    @step(name=Ranked, from=bids)
      @do   top 2 by price desc per auction as place keep for ever
      @do   select auction, bidder, price, place
    @step(name=Tied, from=bids)
      @do   top 1 by price desc per auction with ties as place keep for ever
      @do   select auction, bidder, price, place
    @step(name=All, from=bids)
      @do   rank place by price desc, bidder per auction keep for ever
      @do   select auction, place, bidder
    @sink(name=s1, type=blackhole, from=Best, key=[auction, bidder, price])
    @sink(name=s2, type=blackhole, from=Ranked, key=[auction, place])
    @sink(name=s3, type=blackhole, from=Tied, key=[auction, bidder, price])
    @sink(name=s4, type=blackhole, from=All, key=[auction, place])

    Examples: rows come up, and are taken back
      Given bids
        | auction | bidder | price | at                   |
        | 1       | 10     | 5     | 2026-01-01T00:00:01Z |
        | 1       | 11     | 7     | 2026-01-01T00:00:02Z |
        | 2       | 12     | 1     | 2026-01-01T00:00:03Z |
      Then Best is
        | auction | bidder | price |
        | 1       | 11     | 7     |
        | 1       | 10     | 5     |
        | 2       | 12     | 1     |
      And Ranked is
        | auction | bidder | price | place |
        | 1       | 11     | 7     | 1     |
        | 1       | 10     | 5     | 2     |
        | 2       | 12     | 1     | 1     |
      Given bids
        | auction | bidder | price | at                   |
        | 1       | 13     | 9     | 2026-01-01T00:00:04Z |
        | 1       | 14     | 2     | 2026-01-01T00:00:05Z |
      Then Best is
        | auction | bidder | price |
        | 1       | 13     | 9     |
        | 1       | 11     | 7     |
        | 2       | 12     | 1     |
      And Ranked is
        | auction | bidder | price | place |
        | 1       | 13     | 9     | 1     |
        | 1       | 11     | 7     | 2     |
        | 2       | 12     | 1     | 1     |
      And All is
        | auction | place | bidder |
        | 1       | 1     | 13     |
        | 1       | 2     | 11     |
        | 1       | 3     | 10     |
        | 1       | 4     | 14     |
        | 2       | 1     | 12     |

    Examples: rows that tie are told apart by what they contain, or all come out
      Given bids
        | auction | bidder | price | at                   |
        | 1       | 12     | 7     | 2026-01-01T00:00:01Z |
        | 1       | 10     | 7     | 2026-01-01T00:00:02Z |
        | 1       | 11     | 7     | 2026-01-01T00:00:03Z |
        | 1       | 13     | 6     | 2026-01-01T00:00:04Z |
      Then Best is
        | auction | bidder | price |
        | 1       | 10     | 7     |
        | 1       | 11     | 7     |
      And Tied is
        | auction | bidder | price | place |
        | 1       | 10     | 7     | 1     |
        | 1       | 11     | 7     | 1     |
        | 1       | 12     | 7     | 1     |
      Given bids
        | auction | bidder | price | at                   |
        | 1       | 14     | 8     | 2026-01-01T00:00:05Z |
      Then Tied is
        | auction | bidder | price | place |
        | 1       | 14     | 8     | 1     |

    Examples: nulls are the highest of all, as in PostgreSQL
      Given bids
        | auction | bidder | price | at                   |
        | 1       | 10     |       | 2026-01-01T00:00:01Z |
        | 1       | 11     | 7     | 2026-01-01T00:00:02Z |
        | 1       | 12     | 8     | 2026-01-01T00:00:03Z |
      Then Best is
        | auction | bidder | price |
        | 1       | 10     |       |
        | 1       | 12     | 8     |

  Scenario: The highest bids of each minute
    @step(name=Best)
      @do   top 1 by price desc per auction as place in tumbling(1m)
      @do   select auction, bidder, price, place, window_end
    @step(name=Moving, from=bids)
      @do   top 2 by price desc nulls last in hopping(2m, every 1m)
      @do   select price, window_start, window_end
    @sink(name=s1, type=blackhole, from=Best)
    @sink(name=s2, type=blackhole, from=Moving)
    @sink(name=s3, type=blackhole, from=rejected)

    Examples: each window gives its rows when it closes
      Given bids
        | auction | bidder | price | at                   |
        | 1       | 10     | 5     | 2026-01-01T00:00:01Z |
        | 1       | 11     | 7     | 2026-01-01T00:00:02Z |
        | 2       | 12     | 1     | 2026-01-01T00:00:03Z |
      Then Best is empty
      Given bids
        | auction | bidder | price | at                   |
        | 1       | 13     | 9     | 2026-01-01T00:01:10Z |
      Then Best is
        | auction | bidder | price | place | window_end           |
        | 1       | 11     | 7     | 1     | 2026-01-01T00:01:00Z |
        | 2       | 12     | 1     | 1     | 2026-01-01T00:01:00Z |
      And Moving is
        | price | window_start         | window_end           |
        | 7     | 2025-12-31T23:59:00Z | 2026-01-01T00:01:00Z |
        | 5     | 2025-12-31T23:59:00Z | 2026-01-01T00:01:00Z |
      Given bids
        | auction | bidder | price | at                   |
        | 1       | 14     | 9     | 2026-01-01T00:00:10Z |
      When the input ends
      Then Moving is
        | price | window_start         | window_end           |
        | 7     | 2025-12-31T23:59:00Z | 2026-01-01T00:01:00Z |
        | 5     | 2025-12-31T23:59:00Z | 2026-01-01T00:01:00Z |
        | 9     | 2026-01-01T00:00:00Z | 2026-01-01T00:02:00Z |
        | 9     | 2026-01-01T00:00:00Z | 2026-01-01T00:02:00Z |
        | 9     | 2026-01-01T00:01:00Z | 2026-01-01T00:03:00Z |
      And Best is
        | auction | bidder | price | place | window_end           |
        | 1       | 11     | 7     | 1     | 2026-01-01T00:01:00Z |
        | 2       | 12     | 1     | 1     | 2026-01-01T00:01:00Z |
        | 1       | 13     | 9     | 1     | 2026-01-01T00:02:00Z |
      And rejected is
        | reason | step |
        | late   | Best |

  Scenario: The busiest auctions of each window
    The windows are those of the counts: no other is needed.

    @step(name=Counts)
      @do   aggregate n = count(*)
              by auction
              in hopping(2m, every 1m)
    @step(name=Busiest)
      @do   top 1 by n desc per window_end with ties
      @do   select auction, n, window_end
    @sink(type=blackhole)

    Examples: the rows of a window are all there when the watermark has passed it
      Given bids
        | auction | bidder | price | at                   |
        | 1       | 10     | 5     | 2026-01-01T00:00:01Z |
        | 2       | 11     | 7     | 2026-01-01T00:00:02Z |
        | 3       | 11     | 7     | 2026-01-01T00:01:02Z |
      And bids
        | auction | bidder | price | at                   |
        | 3       | 10     | 5     | 2026-01-01T00:03:01Z |
      Then Busiest is
        | auction | n | window_end           |
        | 1       | 1 | 2026-01-01T00:01:00Z |
        | 2       | 1 | 2026-01-01T00:01:00Z |
        | 1       | 1 | 2026-01-01T00:02:00Z |
        | 2       | 1 | 2026-01-01T00:02:00Z |
        | 3       | 1 | 2026-01-01T00:02:00Z |
        | 3       | 1 | 2026-01-01T00:03:00Z |

  Scenario: The largest totals of a changelog
    @step(name=Totals)
      @do   aggregate total = sum(price)
              by auction
              emit on change
              keep for ever
    @step(name=Largest)
      @do   top 1 by total desc as place keep for ever
    @sink(type=blackhole, key=auction)

    Examples: another row comes up where one is taken back
      Given bids
        | auction | bidder | price | at                   |
        | 1       | 10     | 5     | 2026-01-01T00:00:01Z |
        | 2       | 11     | 7     | 2026-01-01T00:00:02Z |
      Then Largest is
        | auction | total | place |
        | 2       | 7     | 1     |
      Given bids
        | auction | bidder | price | at                   |
        | 2       | 11     | -3    | 2026-01-01T00:00:03Z |
      Then Largest is
        | auction | total | place |
        | 1       | 5     | 1     |
      Given bids
        | auction | bidder | price | at                   |
        | 1       | 11     | -3    | 2026-01-01T00:00:03Z |
        | 2       | 11     | 1     | 2026-01-01T00:00:03Z |
      Then Largest is
        | auction | total | place |
        | 2       | 5     | 1     |

  Scenario: Rankings that live for a minute
    @step(name=Best)
      @do   top 1 by price desc per auction keep state for 1m
      @do   select auction, price
    @sink(type=blackhole, key=auction)

    Examples: a key that did not change for that long is taken back
      Given bids
        | auction | bidder | price | at                   |
        | 1       | 10     | 5     | 2026-01-01T00:00:01Z |
      Then Best is
        | auction | price |
        | 1       | 5     |
      Given bids
        | auction | bidder | price | at                   |
        | 2       | 10     | 5     | 2026-01-01T00:00:30Z |
      Then Best is
        | auction | price |
        | 1       | 5     |
        | 2       | 5     |
      Given bids
        | auction | bidder | price | at                   |
        | 1       | 10     | 4     | 2026-01-01T00:01:00Z |
      Then Best is
        | auction | price |
        | 1       | 5     |
        | 2       | 5     |
      Given bids
        | auction | bidder | price | at                   |
        | 3       | 10     | 1     | 2026-01-01T00:01:01Z |
      Then Best is
        | auction | price |
        | 2       | 5     |
        | 3       | 1     |
      Given bids
        | auction | bidder | price | at                   |
        | 1       | 10     | 2     | 2026-01-01T00:01:02Z |
      Then Best is
        | auction | price |
        | 1       | 2     |
        | 2       | 5     |
        | 3       | 1     |

  Scenario: The best rows of a table
    @source(name=cards, type=file, path="cards.jsonl", contract=Score@1, key=player)
    @step(name=Best, from=cards)
      @do   top 2 by score desc as place keep for ever
    @step(name=Names, from=cards)
      @do   deduplicate by team keep first order by score desc keep for ever
    @sink(name=s1, type=blackhole, from=Best, key=place)
    @sink(name=s2, type=blackhole, from=Names, key=team)

    Examples: a row that is replaced makes room
      Given cards
        | player | team | score |
        | a      | x    | 5     |
        | b      | x    | 7     |
        | c      | y    | 6     |
      Then Best is
        | player | score | place |
        | b      | 7     | 1     |
        | c      | 6     | 2     |
      Given cards
        | player | team | score |
        | b      | x    | 1     |
      Then Best is
        | player | score | place |
        | c      | 6     | 1     |
        | a      | 5     | 2     |
      And Names is
        | player | team | score |
        | a      | x    | 5     |
        | c      | y    | 6     |

Contract: Score version 1
  | field  | type   | rules         |
  | player | string | required, key |
  | team   | string |               |
  | score  | int    |               |

Contract: Bid version 1
  | field   | type          | rules                |
  | auction | int           |                      |
  | bidder  | int           |                      |
  | price   | int           |                      |
  | at      | timestamp(ms) | required, event time |
