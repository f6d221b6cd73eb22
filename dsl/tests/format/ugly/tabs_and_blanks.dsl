

Feature:Card risk   
	Finds cards.   


	Domain :finance
    Herd:   payments
  Background:
	@source( name = payments ,type=file,  path="a  b.jsonl",
	contract=Payment@2 , lateness = 5s )
  @source(name=cards, type=file,
      path="cards.csv"
  )
  @source(
  name=x,
     type=file)
 Scenario:   Bursts


    Three   or more.
      - a list
        deeper
@step(name=A)
@when   status='declined'   and amount>0
@do aggregate   n=count( * ) ,total = sum(amount)
  by card_id
    in tumbling (1m)
       having n>=3
@then   total>0   otherwise   reject
