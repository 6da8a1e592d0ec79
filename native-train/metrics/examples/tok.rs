fn main(){for l in std::io::stdin().lines(){println!("{}",refvlm_metrics::text::tokens(&l.unwrap()).join(" "));}}
