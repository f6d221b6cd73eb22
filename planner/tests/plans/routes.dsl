Feature: Routes
  Scenario: Split, union, observers and rejects
    @source(name=payments, type=file, path="a.json", contract=Payment@1)
    @source(name=others, type=file, path="b.json", contract=Other@1)

    @step(name=Route, from=payments)
      @do split big when amount > 100, small when amount > 10, rest otherwise
      @then card_id is not null otherwise tag anonymous
    @step(name=Big, from=Route.big)
      @do set label = 'big: ' || big.card_id
    @step(name=Both, from=[payments, others])
      @do union others
      @do aggregate total = sum(amount) in tumbling(1h)
    @sink(type=file, path="big", format=csv, partition_by=[label], from=Big)
    @sink(type=file, path="rest", from=Route.rest)
    @sink(type=stdout, from=Both)
    @sink(name=dead_letters, type=file, path="dead", from=rejected, delivery=at-least-once)

    Examples: nothing
      Given payments
        | card_id | amount |
        | c1      | 1      |
      Then Big is empty

Contract: Other version 1
  | field   | type          | rules      |
  | paid_at | timestamp(us) | event time |
  | amount  | int64         |            |
  | status  | string        |            |
  | card_id | string        |            |

Contract: Payment version 1
  | field   | type           | rules                |
  | card_id | string         | required             |
  | status  | string         |                      |
  | amount  | decimal(12, 2) |                      |
  | paid_at | timestamp(ms)  | required, event time |
