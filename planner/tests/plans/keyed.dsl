Feature: Tables
  Background:
    @source(name=payments, type=topic, topic="payments", contract=Payment@1)
    @source(name=cards, type=file, path="cards.json", contract=Card@1)
    @source(name=limits, type=topic, topic="limits", contract=Limit@1, key=card_number)

  Scenario: Tables of every kind
    @step(name=Totals)
      @do aggregate spent = sum(amount) by card_id keep state for 7d
    @step(name=Joined, from=payments)
      @do left join cards as c on c.card_id = payments.card_id and c.status <> payments.status
      @do join limits on limits.card_number = c.number keep for ever
      @do join Totals on Totals.card_id = payments.card_id keep state for 1d
      @do select payments.*, owner = c.owner, c_status, limits.amount_max, Totals.spent
    @step(name=Unknown, from=payments)
      @do anti join cards on upper(payments.card_id) = cards.card_id
    @sink(type=stdout, from=Joined)
    @sink(type=stdout, from=Unknown)
    @sink(type=topic, topic="totals", from=Totals)

Contract: Card version 1
  | field   | type   | rules         |
  | card_id | string | required, key |
  | number  | int64  |               |
  | status  | string |               |
  | owner   | string |               |

Contract: Limit version 1
  | field       | type           | rules    |
  | card_number | int32          | required |
  | amount_max  | decimal(12, 2) |          |

Contract: Payment version 1
  | field   | type           | rules                |
  | card_id | string         | required             |
  | status  | string         |                      |
  | amount  | decimal(12, 2) |                      |
  | paid_at | timestamp(ms)  | required, event time |
