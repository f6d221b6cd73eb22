Feature: Patterns
  Background:
    @source(name=payments, type=topic, topic="payments", contract=Payment@2, lateness=5s)

  Scenario: Tested cards
    @step(name=Looted)
      @when status <> 'unknown'
      @do   match test+ then loot
              where test is status = 'declined' and amount < 2,
                loot is status = 'approved' and amount > 100 * max(test.amount)
              per card_id, date_trunc('day', paid_at) as day
              order by amount desc
              within 10m
              give tests = count(test.*), tested = first(test.paid_at), stolen = loot.amount - last(test.amount, 1),
                lasted = match_end - match_start
    @step(name=Silent, from=payments)
      @do   match (order or status) without cancel followed by pay{1, 2} apart without cancel
              where order is status = 'order', pay is amount = order.amount, cancel is status = 'cancel'
              within 1h
              after match skip to first pay
              with partial as open
    @step(name=Falls, from=payments)
      @do   match top then down+? then up
              where down is amount < top.amount and (count(down.*) = 1 or amount < last(down.amount, 1)), up is amount > down.amount
              per card_id
              keep for ever
              after match skip to next row
              give bottom = min(amount), last_status = status
    @sink(type=stdout, from=Looted)
    @sink(name=silent, type=stdout, from=Silent)
    @sink(name=falls, type=stdout, from=Falls)

Contract: Payment version 2
  | field   | type           | rules                     |
  | card_id | string         | required                  |
  | status  | string         |                           |
  | amount  | decimal(12, 2) | required, >= 0            |
  | paid_at | timestamp(ms)  | required, event time      |
