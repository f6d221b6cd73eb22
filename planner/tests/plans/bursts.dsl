Feature: Card risk
  Background:
    @source(name=payments, type=topic, topic="payments.v1", contract=Payment@2, lateness=5s)
    @source(name=cards, type=file, path="${env.DATA}/cards.json", contract=Card@1)

  Scenario: Bursts of declined payments
    @step(name=Declines)
      @when status = 'declined' and amount > 0
      @do aggregate declines = count(*), total = sum(amount)
            by card_id
            in tumbling(1m)
            having declines >= 3
      @then total > 0 otherwise reject
    @step(name=WithOwner)
      @do join cards on cards.card_id = Declines.card_id
      @do select Declines.*, cards.owner_email
      @do mask owner_email with sha256
    @sink(type=stdout)
    @sink(type=file, path="out.json", from=rejected)

Contract: Payment version 2
  | field   | type           | rules                         |
  | card_id | string         | required, matches '^c[0-9]+$' |
  | status  | string         | one of approved, declined     |
  | amount  | decimal(12, 2) | required, >= 0                |
  | paid_at | timestamp(ms)  | required, event time          |

Contract: Card version 1
  | field       | type   | rules         |
  | card_id     | string | required, key |
  | owner_email | string |               |
