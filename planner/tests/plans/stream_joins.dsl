Feature: Two streams
  Background:
    @source(name=payments, type=topic, topic="payments", contract=Payment@1)
    @source(name=refunds, type=topic, topic="refunds", contract=Refund@1)
    @source(name=rates, type=topic, topic="rates", contract=Rate@1)

  Scenario: Streams that are joined
    @step(name=Refunded, from=payments)
      @do left join refunds as r on r.payment = payments.id and r.amount <= payments.amount within 0s to 7d
      @do select payments.id, payments.amount, given = r.amount, r.given_at
    @step(name=Together, from=payments)
      @do full join refunds on refunds.payment = payments.id in hopping(1h, every 10m)
    @step(name=Alone, from=payments)
      @do anti join refunds on refunds.payment = payments.id in tumbling(1h) on processing time
    @step(name=Priced, from=payments)
      @do join rates on rates.currency = upper(payments.currency) and rates.rate > 0 as of paid_at keep for ever
      @do set euros = amount * rate
    @step(name=PerHour)
      @do aggregate total = sum(euros) by currency in tumbling(1h)
    @step(name=Kept, from=payments)
      @do left join refunds on refunds.payment = payments.id keep state for 1d
    @step(name=Ever, from=payments)
      @do join refunds on refunds.payment = payments.id keep for ever
      @do keep payments.amount > 5
    @step(name=Paid, from=payments)
      @do aggregate n = count(*) by currency keep for ever
    @step(name=Given, from=refunds)
      @do aggregate m = count(*) by payment keep for ever
    @step(name=Changes, from=Paid)
      @do join Given on Given.payment = Paid.n keep for ever
      @do select currency, payment, n
    @sink(type=stdout, from=Refunded)
    @sink(type=stdout, from=Together)
    @sink(type=stdout, from=Alone)
    @sink(type=stdout, from=PerHour)
    @sink(type=topic, topic="kept", from=Kept)
    @sink(type=stdout, from=Ever)
    @sink(type=topic, topic="changes", from=Changes)

Contract: Payment version 1
  | field    | type           | rules                |
  | id       | int64          | required             |
  | currency | string         | required             |
  | amount   | decimal(12, 2) | required             |
  | note     | string         |                      |
  | paid_at  | timestamp(ms)  | required, event time |

Contract: Refund version 1
  | field    | type           | rules                |
  | payment  | int64          | required             |
  | amount   | decimal(12, 2) |                      |
  | given_at | timestamp(ms)  | required, event time |

Contract: Rate version 1
  | field    | type          | rules                     |
  | currency | string        | required, key             |
  | rate     | decimal(9, 6) | required                  |
  | since    | timestamp(ms) | required, event time      |
