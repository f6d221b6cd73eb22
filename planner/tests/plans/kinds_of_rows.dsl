Feature: Rows
  Scenario: Every line that works row by row
    @source(name=payments, type=file, path="payments.json", contract=Payment)

    @step(name=Clean)
      @when status is not null
      @when amount between 1 and 1000
      @do set amount = amount * 2, Day = cast(paid_at as date), city = address.city
      @do keep Day >= '2026-01-01' and paid_at < '2027-01-01'
      @do rename card_id to card, paid_at to paid
      @do unnest tags as tag with ordinality as tag_number keep empty
      @do drop note
      @do truncate card with 4
      @then amount > 0
      @then tag <> '' otherwise tag empty_tag
      @then tag_number < 100 otherwise alert
      @then paid is not null otherwise fail
    @sink(type=stdout)

Contract: Payment version 1
  | field   | type                           | rules                                     |
  | card_id | string                         | required, length <= 20                    |
  | status  | string                         | one of approved, declined, default 'approved' |
  | amount  | decimal(12, 2)                 | between 0 and 10000                       |
  | address | struct<city: string, zip: int> |                                           |
  | note    | json                           |                                           |
  | tags    | list<string>                   |                                           |
  | paid_at | timestamp(ms)                  | required, event time                      |
