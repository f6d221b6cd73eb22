Feature: Forms of changes

  Scenario: Totals in three forms
    @source(name=payments, type=file, path="a.json", contract=Payment@2)
    @step(name=Totals)
      @do   aggregate n = count(*), total = sum(amount) by card_id keep for ever
    @sink(name=changes, type=file, path="changes.json", changes=retract)
    @sink(name=newest, type=file, path="newest.json", changes=upsert)
    @sink(name=events, type=file, path="events.json", changes=debezium)

Contract: Payment version 2
  | field   | type           | rules                     |
  | card_id | string         | required                  |
  | status  | string         | one of approved, declined |
  | amount  | decimal(12, 2) | required, >= 0            |
  | tags    | list<string>   |                           |
  | paid_at | timestamp(ms)  | required, event time      |

Contract: Card version 1
  | field       | type   | rules         |
  | card_id     | string | required, key |
  | number      | int32  |               |
  | owner_email | string |               |
