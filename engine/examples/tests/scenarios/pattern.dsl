Feature: Patterns of rows

  Background:
    @source(name=payments, type=file, path="payments.jsonl", contract=Purchase@1, lateness=5s)

  Scenario: What follows what
    @step(name=Looted)
      @do   match test+ then loot
              where test is status = 'declined' and amount < 2,
                loot is status = 'approved' and amount > 100 * max(test.amount)
              per card
              within 10m
              give tests = count(test.*), tested = first(test.at), stolen = loot.amount, before = last(test.amount, 1)
    @step(name=Orders, from=payments)
      @do   match order without cancel followed by pay
              where order is status = 'order', pay is status = 'pay' and amount = order.amount, cancel is status = 'cancel'
              per card
              within 10m
              with partial as unpaid
              give amount = order.amount, paid = pay.at
    @step(name=Forgotten, from=payments)
      @do   match order without pay
              where order is status = 'order', pay is status = 'pay'
              per card
              within 10m
              give amount = order.amount
    @step(name=Falls, from=payments)
      @do   match top then down+ then up
              where down is amount < coalesce(last(down.amount, 1), top.amount), up is amount > last(down.amount)
              per card
              order by amount
              keep for ever
              after match skip to last up
              give top = top.amount, bottom = last(down.amount), up = up.amount
    @step(name=Overlaps, from=payments)
      @do   match a then b
              where b is amount > a.amount
              per card
              keep for ever
              after match skip to next row
              give a = a.amount, b = b.amount
    @step(name=Thrice, from=payments)
      @do   match declined{3} without approved apart
              where declined is status = 'declined', approved is status = 'approved'
              per card
              within 1m
              give total = sum(declined.amount)
    @step(name=PerMinute, from=Looted)
      @do   aggregate n = count(*) in tumbling(20m)
    @sink(type=blackhole)
    @sink(name=dead, type=blackhole, from=rejected)

    Examples: a card is tested, then looted
      Given payments
        | card | status   | amount | at                   |
        | c1   | declined | 1.00   | 2026-01-01T00:00:01Z |
        | c1   | declined | 1.50   | 2026-01-01T00:00:02Z |
        | c2   | declined | 1.00   | 2026-01-01T00:00:10Z |
        | c1   | approved | 200.00 | 2026-01-01T00:00:59Z |
        | c2   | approved | 99.00  | 2026-01-01T00:01:00Z |
      When the watermark reaches 2026-01-01T00:00:59Z
      Then Looted is empty
      When the watermark reaches 2026-01-01T00:01:00Z
      Then Looted is
        | card | tests | tested               | stolen | before | match_start          | match_end            |
        | c1   | 2     | 2026-01-01T00:00:01Z | 200.00 | 1.00   | 2026-01-01T00:00:01Z | 2026-01-01T00:00:59Z |
      When the input ends
      Then PerMinute is
        | n | window_start         |
        | 1 | 2026-01-01T00:00:00Z |
      And rejected is empty

    Examples: rows come in any order within the lateness
      Given payments
        | card | status   | amount | at                   |
        | c1   | approved | 200.00 | 2026-01-01T00:00:03Z |
        | c1   | declined | 1.50   | 2026-01-01T00:00:02Z |
        | c1   | declined | 1.00   | 2026-01-01T00:00:01Z |
      And payments
        | card | status   | amount | at                   |
        | c1   | declined | 9.00   | 2026-01-01T00:10:00Z |
      And payments
        | card | status   | amount | at                   |
        | c1   | declined | 1.50   | 2026-01-01T00:00:02Z |
      When the input ends
      Then Looted is
        | card | tests | stolen |
        | c1   | 2     | 200.00 |
      And rejected contains
        | reason | step   |
        | late   | Looted |

    Examples: what does not come
      Given payments
        | card | status | amount | at                   |
        | c3   | order  | 5.00   | 2026-01-01T00:00:10Z |
        | c3   | look   | 5.00   | 2026-01-01T00:00:11Z |
        | c3   | pay    | 5.00   | 2026-01-01T00:00:12Z |
        | c4   | order  | 6.00   | 2026-01-01T00:00:10Z |
        | c4   | cancel | 6.00   | 2026-01-01T00:00:11Z |
        | c4   | pay    | 6.00   | 2026-01-01T00:00:12Z |
        | c5   | order  | 7.00   | 2026-01-01T00:00:10Z |
        | c6   | order  | 8.00   | 2026-01-01T00:00:11Z |
        | c6   | pay    | 8.00   | 2026-01-01T00:10:11Z |
      When the watermark reaches 2026-01-01T00:10:10Z
      Then Orders is
        | card | amount | paid                 | unpaid |
        | c3   | 5.00   | 2026-01-01T00:00:12Z | false  |
      And Forgotten is empty
      When the input ends
      Then Orders is
        | card | amount | paid                 | unpaid |
        | c3   | 5.00   | 2026-01-01T00:00:12Z | false  |
        | c5   | 7.00   |                      | true   |
        | c6   | 8.00   | 2026-01-01T00:10:11Z | false  |
      And Forgotten is
        | card | amount | match_end            |
        | c5   | 7.00   | 2026-01-01T00:00:10Z |

    Examples: prices fall, and rise again
      Given payments
        | card | status | amount | at                   |
        | c1   | x      | 5.00   | 2026-01-01T00:00:01Z |
        | c1   | x      | 4.00   | 2026-01-01T00:00:02Z |
        | c1   | x      | 3.00   | 2026-01-01T00:00:03Z |
        | c1   | x      | 9.00   | 2026-01-01T00:00:04Z |
        | c1   | x      | 1.00   | 2026-01-01T00:00:05Z |
        | c1   | x      | 2.00   | 2026-01-01T00:00:06Z |
      When the input ends
      Then Falls is
        | card | top  | bottom | up   |
        | c1   | 5.00 | 3.00   | 9.00 |
        | c1   | 9.00 | 1.00   | 2.00 |
      And Overlaps is
        | card | a    | b    |
        | c1   | 3.00 | 9.00 |
        | c1   | 1.00 | 2.00 |

    Examples: three times, with others between them
      Given payments
        | card | status   | amount | at                   |
        | c1   | declined | 5.00   | 2026-01-01T00:00:01Z |
        | c1   | look     | 4.00   | 2026-01-01T00:00:02Z |
        | c1   | declined | 3.00   | 2026-01-01T00:00:03Z |
        | c1   | declined | 2.00   | 2026-01-01T00:00:04Z |
        | c2   | declined | 5.00   | 2026-01-01T00:00:01Z |
        | c2   | approved | 5.00   | 2026-01-01T00:00:02Z |
        | c2   | declined | 3.00   | 2026-01-01T00:00:03Z |
        | c2   | declined | 2.00   | 2026-01-01T00:00:04Z |
      When the input ends
      Then Thrice is
        | card | total |
        | c1   | 10.00 |

Contract: Purchase version 1
  | field  | type           | rules                |
  | card   | string         | required             |
  | status | string         | required             |
  | amount | decimal(12, 2) | required             |
  | at     | timestamp(ms)  | required, event time |
